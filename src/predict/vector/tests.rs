use super::*;
use proptest::prelude::*;

/// Everything that a vector can do, applied to two rows and sixteen more.
fn all<V: Vector>(first: &Row, second: &Row, lines: &[Row; WIDTH]) -> Vec<i32> {
    let (a, b) = (V::load(first), V::load(second));
    let positive = a.and(V::splat((1 << 24) - 1)).max(V::splat(1));
    let vectors = [
        V::splat(first.0[0]),
        a.add(b),
        a.sub(b),
        a.mul(b),
        a.min(b),
        a.max(b),
        a.and(b),
        a.or(b),
        a.shift_left::<9>(),
        a.shift_right::<13>(),
        a.and(V::splat(15)).look_up(second),
        positive.chord_log2(),
    ];
    let mut rows = [Row::ZERO; 12];
    vectors.into_iter().zip(&mut rows).for_each(|(vector, row)| vector.store(row));
    let mut tables = vec![[0; TABLE]; WIDTH];
    tables.iter_mut().zip(lines).for_each(|(table, line)| table.as_chunks_mut().0.fill(line.0));
    let tables: &mut Tables = tables.as_mut_slice().try_into().expect("as many tables");
    let mut picked = [Row::ZERO; 2];
    a.pick(tables).store(&mut picked[0]);
    b.put(tables, a);
    a.pick(tables).store(&mut picked[1]);
    let mut transposed = [Row::ZERO; WIDTH];
    V::transpose(lines.each_ref(), &mut transposed);
    let (mut half, mut back) = ([Row::ZERO; WIDTH], [Row::ZERO; HALF_WIDTH]);
    V::transpose_half(std::array::from_fn(|line| &lines[line]), &mut half);
    V::transpose_back(&transposed, &mut back);
    assert_eq!(back, lines[..HALF_WIDTH]);
    rows.into_iter()
        .chain(picked)
        .chain(transposed)
        .chain(half)
        .flat_map(|row| row.0)
        .chain(V::sums([a, b, a.add(b), b.sub(a)]))
        .collect()
}

/// Everything, as the instruction set itself does it.
#[target_feature(enable = "avx2")]
fn all_avx2(first: &Row, second: &Row, lines: &[Row; WIDTH]) -> Vec<i32> {
    all::<Avx2>(first, second, lines)
}

#[target_feature(enable = "avx512f")]
fn all_avx512(first: &Row, second: &Row, lines: &[Row; WIDTH]) -> Vec<i32> {
    all::<Avx512>(first, second, lines)
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -4096..4096, Just(i32::MIN), Just(i32::MAX), Just((1 << 24) - 1)]
}

proptest! {
    #[test]
    fn every_instruction_set_gives_what_plain_rust_gives(numbers in proptest::collection::vec(number(), 18 * WIDTH)) {
        let mut rows = [Row::ZERO; 18];
        for (row, numbers) in rows.iter_mut().zip(numbers.as_chunks().0) {
            row.0 = *numbers;
        }
        let [first, second, lines @ ..] = rows;
        let plain = all::<Portable>(&first, &second, &lines);
        if is_x86_feature_detected!("avx2") {
            // SAFETY: just found to be present.
            prop_assert_eq!(&plain, unsafe { &all_avx2(&first, &second, &lines) });
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: just found to be present.
            prop_assert_eq!(&plain, unsafe { &all_avx512(&first, &second, &lines) });
        }
    }
}
