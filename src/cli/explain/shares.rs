//! Exact sums: whole bytes for parts that were measured in fractions of bits.

/// Parts `total` in proportion to `weights`, in whole numbers that add up to it (the method of the largest remainder).
/// Without any weight, all of it goes to the first.
pub fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let mut shares = vec![0; weights.len()];
    if sum == 0 {
        shares.iter_mut().take(1).for_each(|first| *first = total);
        return shares;
    }
    let mut remainders: Vec<(u128, usize)> = Vec::new();
    for (number, (share, &weight)) in shares.iter_mut().zip(weights).enumerate() {
        let product = u128::from(total) * u128::from(weight);
        *share = (product / sum) as u64;
        remainders.push((product % sum, number));
    }
    let left = total - shares.iter().sum::<u64>();
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for &(_, number) in remainders.iter().take(left as usize) {
        shares[number] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up_and_are_off_by_less_than_one(
            total in 0..=u64::MAX >> 24, weights in prop::collection::vec(0..1u64 << 50, 1..40),
        ) {
            let shares = apportion(total, &weights);
            prop_assert_eq!(shares.iter().sum::<u64>(), total);
            let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            for (&share, &weight) in shares.iter().zip(&weights).filter(|_| sum > 0) {
                prop_assert!((u128::from(share) * sum).abs_diff(u128::from(total) * u128::from(weight)) < sum);
            }
        }
    }
}
