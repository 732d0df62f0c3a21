//! The loops that training spends its time in, for the best instructions that the processor has.
//!
//! Each is written once, over [`Lanes`], and compiled for every instruction set; the methods of [`Simd`] check what
//! the kernels reach.

use super::super::{NORM_EPSILON, NORM_LIMIT};
#[cfg(target_arch = "x86_64")]
use super::lanes::PairsOfAvx512;
use super::lanes::{Factors, Lanes, Portable};
use super::pairs::Pair;

/// A matrix to read in flat memory: element (i, j) is `values[i·rows + j·columns]`.
#[derive(Clone, Copy)]
pub struct View<'a, T = f32> {
    /// From element (0, 0) on.
    pub values: &'a [T],
    /// From row to row, in elements.
    pub rows: usize,
    /// From column to column, in elements.
    pub columns: usize,
}

/// A matrix to read whose rows lie together, `apart` elements from one to the next.
#[derive(Clone, Copy)]
pub struct Rows<'a, T = f32> {
    /// From element (0, 0) on.
    pub values: &'a [T],
    /// From row to row.
    pub apart: usize,
}

/// A matrix to write whose rows lie together, `apart` elements from one to the next.
pub struct RowsMut<'a> {
    /// From element (0, 0) on.
    pub values: &'a mut [f32],
    /// From row to row.
    pub apart: usize,
}

/// [`View`] without its length.
#[derive(Clone, Copy)]
struct Strided {
    start: *const f32,
    rows: usize,
    columns: usize,
}

/// Which instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// Plain Rust.
    Portable,
    /// AVX2 and FMA. Only made where the processor has them.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F. Only made where the processor has it.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same, and products with weights from factors rounded to bfloat16, two at a time. Only made where the processor has
    /// the instructions.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Simd {
    /// The best that this processor has.
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// All that this processor has, the best last.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
                if is_x86_feature_detected!("avx512bf16") {
                    found.push(Self::Avx512Bf16);
                }
            }
        }
        found
    }
}

/// Gives [`Simd`] an unchecked method for each generic kernel, compiled once for every instruction set.
macro_rules! dispatch {
    ($($name:ident = $kernel:ident($($argument:ident: $kind:ty),* $(,)?);)*) => {
        impl Simd {
            $(
                #[allow(clippy::too_many_arguments)]
                #[inline]
                unsafe fn $name(self, $($argument: $kind),*) {
                    match self {
                        // SAFETY: portable code needs no instructions; the caller answers for the memory.
                        Self::Portable => unsafe { $kernel::<Portable>($($argument),*) },
                        #[cfg(target_arch = "x86_64")]
                        Self::Avx2 => {
                            #[allow(clippy::too_many_arguments)]
                            #[target_feature(enable = "avx2,fma")]
                            unsafe fn run($($argument: $kind),*) {
                                // SAFETY: this function is compiled with, and only called where there are, the
                                // instructions; the caller answers for the memory.
                                unsafe { $kernel::<super::lanes::Avx2>($($argument),*) }
                            }
                            // SAFETY: the value was made where the processor has the instructions.
                            unsafe { run($($argument),*) }
                        }
                        #[cfg(target_arch = "x86_64")]
                        Self::Avx512 | Self::Avx512Bf16 => {
                            #[allow(clippy::too_many_arguments)]
                            #[target_feature(enable = "avx512f")]
                            unsafe fn run($($argument: $kind),*) {
                                // SAFETY: as above.
                                unsafe { $kernel::<super::lanes::Avx512>($($argument),*) }
                            }
                            // SAFETY: the value was made where the processor has the instructions.
                            unsafe { run($($argument),*) }
                        }
                    }
                }
            )*
        }
    };
}

dispatch! {
    raw_product = product(
        a: Strided, b: *const f32, b_rows: usize, c: *mut f32, c_rows: usize, m: usize, k: usize, n: usize, keep: bool
    );
    raw_normalise = normalise(
        x: *const f32, n: *mut f32, scales: *mut f32, rows: usize, width: usize, apart: usize
    );
    raw_normalise_gradient = normalise_gradient(
        x: *const f32, scales: *const f32, dn: *const f32, dx: *mut f32, rows: usize, width: usize, apart: usize
    );
    raw_attention_softmax = attention_softmax(s: *mut f32, bias: *const f32, width: usize, scale: f32, unseen: usize);
    raw_attention_softmax_gradient = attention_softmax_gradient(
        p: *const f32, dp: *mut f32, dbias: *mut f32, width: usize, scale: f32
    );
    raw_cross_entropy = cross_entropy(logits: *mut f32, classes: usize, target: usize, scale: f32, loss: &mut f64);
    raw_rectify = rectify(u: *mut f32, count: usize);
    raw_rectify_gradient = rectify_gradient(u: *const f32, du: *mut f32, count: usize);
    raw_accumulate = accumulate(from: *const f32, to: *mut f32, count: usize);
}

impl Simd {
    /// Whether products with weights are of pairs, as [`Simd::product_of_pairs`] takes them.
    pub fn multiplies_pairs(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// `c = a·b`, or `c += a·b` with `keep`, for `a` of `m × k`, `b` of `k × n` and `c` of `m × n`, where `n` is a
    /// multiple of 16.
    #[inline]
    pub fn product(self, a: View<'_>, b: Rows<'_>, c: RowsMut<'_>, [m, k, n]: [usize; 3], keep: bool) {
        if fits(&a, &b, &c, [m, k, n]) {
            let strided = Strided { start: a.values.as_ptr(), rows: a.rows, columns: a.columns };
            let (b, b_rows, c_rows) = (b.values.as_ptr(), b.apart, c.apart);
            // SAFETY: all elements are inside the slices, and `c` is borrowed alone.
            unsafe { self.raw_product(strided, b, b_rows, c.values.as_mut_ptr(), c_rows, m, k, n, keep) }
        }
    }

    /// The same of pairs of bfloat16, as [`Simd::pair`] makes them: `a` is `m × k` pairs of neighbours in a row, `b` is `k × n` pairs of
    /// neighbours in a column.
    ///
    /// # Panics
    /// Unless [`Simd::multiplies_pairs`].
    #[inline]
    pub fn product_of_pairs(
        self,
        a: View<'_, Pair>,
        b: Rows<'_, Pair>,
        c: RowsMut<'_>,
        [m, k, n]: [usize; 3],
        keep: bool,
    ) {
        assert!(self.multiplies_pairs());
        #[cfg(target_arch = "x86_64")]
        if fits(&a, &b, &c, [m, k, n]) {
            let strided = Strided { start: a.values.as_ptr().cast(), rows: a.rows, columns: a.columns };
            let (b, b_rows, c_rows) = (b.values.as_ptr().cast(), b.apart, c.apart);
            // SAFETY: all elements are inside the slices, and `c` is borrowed alone; the value was made where the processor
            // has the instructions.
            unsafe { product_of_pairs(strided, b, b_rows, c.values.as_mut_ptr(), c_rows, m, k, n, keep) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (a, b, c, m, k, n, keep);
    }

    /// Rounds rows of `width` (a multiple of 16) floats, `apart` (an even number) from one to the next, to bfloat16, in pairs of
    /// neighbours in a row, `across`, and of neighbours in a column, `down`, the last of which may have but zeros below.
    ///
    /// # Panics
    /// Unless [`Simd::multiplies_pairs`].
    pub fn pair(self, x: &[f32], across: &mut [Pair], down: &mut [Pair], [width, apart]: [usize; 2]) {
        assert!(self.multiplies_pairs());
        let rows = x.len() / apart;
        assert!(width.is_multiple_of(16) && width <= apart && apart.is_multiple_of(2));
        assert!(across.len() >= rows * apart / 2 && down.len() >= rows.div_ceil(2) * apart);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the assertions hold all rows inside the slices; the value was made where the processor has the
        // instructions.
        unsafe {
            pair(x.as_ptr(), across.as_mut_ptr(), down.as_mut_ptr(), rows, width, apart)
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (across, down);
    }

    /// Normalises rows of `width` (a multiple of 16) floats, `apart` from one to the next, of `x` into `n`; `scales`
    /// receives what each row was multiplied by.
    pub fn normalise(self, x: &[f32], n: &mut [f32], scales: &mut [f32], [width, apart]: [usize; 2]) {
        assert!(width.is_multiple_of(16) && width <= apart && x.len() == scales.len() * apart && n.len() == x.len());
        let rows = scales.len();
        // SAFETY: the assertion holds `rows` rows in `x` and `n`.
        unsafe { self.raw_normalise(x.as_ptr(), n.as_mut_ptr(), scales.as_mut_ptr(), rows, width, apart) }
    }

    /// Adds to `dx` the gradient by `x` of [`Simd::normalise`], from that by its result, `dn`.
    pub fn normalise_gradient(self, x: &[f32], scales: &[f32], dn: &[f32], dx: &mut [f32], [width, apart]: [usize; 2]) {
        assert!(width.is_multiple_of(16) && width <= apart && x.len() == scales.len() * apart);
        assert!(dn.len() == x.len() && dx.len() == x.len());
        let (rows, dx) = (scales.len(), dx.as_mut_ptr());
        // SAFETY: the assertion holds `rows` rows in `x`, `dn` and `dx`.
        unsafe { self.raw_normalise_gradient(x.as_ptr(), scales.as_ptr(), dn.as_ptr(), dx, rows, width, apart) }
    }

    /// Turns a row of products (a multiple of 16) into probabilities: `softmax(s·scale + bias)`, where the first
    /// `unseen` places get 0.
    #[inline]
    pub fn attention_softmax(self, s: &mut [f32], bias: &[f32], scale: f32, unseen: usize) {
        assert!(s.len().is_multiple_of(16) && bias.len() == s.len() && unseen < s.len());
        // SAFETY: the assertion holds as many biases as products.
        unsafe { self.raw_attention_softmax(s.as_mut_ptr(), bias.as_ptr(), s.len(), scale, unseen) }
    }

    /// From a row's probabilities `p` (a multiple of 16) and the gradient by them, `dp`, that by the products (into
    /// `dp`) and by the biases (added to `dbias`).
    #[inline]
    pub fn attention_softmax_gradient(self, p: &[f32], dp: &mut [f32], dbias: &mut [f32], scale: f32) {
        assert!(p.len().is_multiple_of(16) && dp.len() == p.len() && dbias.len() == p.len());
        // SAFETY: the assertion holds all three at the same length.
        unsafe { self.raw_attention_softmax_gradient(p.as_ptr(), dp.as_mut_ptr(), dbias.as_mut_ptr(), p.len(), scale) }
    }

    /// Turns a row of logits, the first `classes` of a multiple of 16, into the gradient of `scale` times the
    /// cross-entropy with `target`, and returns that entropy in nats.
    pub fn cross_entropy(self, logits: &mut [f32], classes: usize, target: usize, scale: f32) -> f64 {
        assert!(logits.len() == classes.next_multiple_of(16) && target < classes);
        let mut loss = 0.0;
        // SAFETY: the assertion holds the padded classes in `logits`, and the target below them.
        unsafe { self.raw_cross_entropy(logits.as_mut_ptr(), classes, target, scale, &mut loss) }
        loss
    }

    /// `u = max(u, 0)` on a multiple of 16 floats.
    pub fn rectify(self, u: &mut [f32]) {
        assert!(u.len().is_multiple_of(16));
        // SAFETY: the kernel stays inside the slice.
        unsafe { self.raw_rectify(u.as_mut_ptr(), u.len()) }
    }

    /// `du = 0` where `u`, the result of [`Simd::rectify`], is 0.
    pub fn rectify_gradient(self, u: &[f32], du: &mut [f32]) {
        assert!(u.len().is_multiple_of(16) && du.len() == u.len());
        // SAFETY: the kernel stays inside the slices.
        unsafe { self.raw_rectify_gradient(u.as_ptr(), du.as_mut_ptr(), u.len()) }
    }

    /// `to += from` on a multiple of 16 floats.
    #[inline]
    pub fn accumulate(self, from: &[f32], to: &mut [f32]) {
        assert!(from.len().is_multiple_of(16) && to.len() == from.len());
        // SAFETY: the kernel stays inside the slices.
        unsafe { self.raw_accumulate(from.as_ptr(), to.as_mut_ptr(), from.len()) }
    }
}

/// Whether there is anything to multiply.
///
/// # Panics
/// If an element is outside of its slice.
#[inline]
fn fits<T>(a: &View<'_, T>, b: &Rows<'_, T>, c: &RowsMut<'_>, [m, k, n]: [usize; 3]) -> bool {
    if m == 0 || k == 0 || n == 0 {
        return false;
    }
    assert!(
        n.is_multiple_of(16)
            && a.values.len() > (m - 1) * a.rows + (k - 1) * a.columns
            && b.values.len() >= (k - 1) * b.apart + n
            && c.values.len() >= (m - 1) * c.apart + n
    );
    true
}

/// [`product`] of pairs, which take the places of floats.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::too_many_arguments)]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn product_of_pairs(
    a: Strided,
    b: *const f32,
    b_rows: usize,
    c: *mut f32,
    c_rows: usize,
    m: usize,
    k: usize,
    n: usize,
    keep: bool,
) {
    // SAFETY: this function is compiled with the instructions; the caller answers for the memory.
    unsafe { product::<PairsOfAvx512>(a, b, b_rows, c, c_rows, m, k, n, keep) }
}

/// Two rows at a time; below the last of an odd number are zeros.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16,avx512vl")]
unsafe fn pair(x: *const f32, across: *mut Pair, down: *mut Pair, rows: usize, width: usize, apart: usize) {
    let (zeros, mut ignored) = ([0.0f32; 16], [0; 8]);
    for row in (0..rows).step_by(2) {
        for i in (0..width).step_by(16) {
            // SAFETY: reads `rows` rows of `x`, writes as many of `across` and half as many of `down`.
            unsafe {
                let (upper, to) = (x.add(row * apart + i), across.add((row * apart + i) / 2));
                let has_lower = row + 1 < rows;
                let lower = if has_lower { upper.add(apart) } else { zeros.as_ptr() };
                let to_lower = if has_lower { to.add(apart / 2) } else { ignored.as_mut_ptr() };
                PairsOfAvx512::pair([upper, lower], [to, to_lower], down.add(row / 2 * apart + i));
            }
        }
    }
}

/// Rows of a tile of [`product`] where vectors fill one of 32 registers.
const TALL: usize = 12;

/// Depth whose columns of `b` stay in the first-level cache.
const DEPTH: usize = 128;
/// How many rows of `b` are asked for before they are needed; of `a` twice as many columns.
const AHEAD: usize = 4;

/// Walks the depth in parts that the cache holds.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn product<V: Factors>(
    a: Strided,
    b: *const f32,
    b_rows: usize,
    c: *mut f32,
    c_rows: usize,
    m: usize,
    k: usize,
    n: usize,
    keep: bool,
) {
    let mut done = 0;
    while done < k {
        let depth = if k - done <= DEPTH + DEPTH / 4 { k - done } else { DEPTH };
        // SAFETY: the parts cover the depth 0..k, which the caller answers for.
        unsafe {
            let a = Strided { start: a.start.add(done * a.columns), ..a };
            slab::<V>(a, b.add(done * b_rows), b_rows, c, c_rows, m, depth, n, keep || done > 0);
        }
        done += depth;
    }
}

/// Walks the result in tiles that stay in registers while the depth passes.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn slab<V: Factors>(
    a: Strided,
    b: *const f32,
    b_rows: usize,
    c: *mut f32,
    c_rows: usize,
    m: usize,
    k: usize,
    n: usize,
    keep: bool,
) {
    let mut column = 0;
    // SAFETY: tiles cover the rows 0..m and columns 0..n, which the caller answers for.
    unsafe {
        while column < n {
            let (b, c) = (b.add(column), c.add(column));
            let left = n - column;
            let columns = if !V::WIDE {
                panel::<V, 6, 1>(a, b, b_rows, c, c_rows, m, k, keep);
                16
            } else if m <= 4 && left >= 64 {
                panel::<V, 4, 4>(a, b, b_rows, c, c_rows, m, k, keep);
                64
            } else if left >= 32 {
                panel::<V, TALL, 2>(a, b, b_rows, c, c_rows, m, k, keep);
                32
            } else {
                panel::<V, TALL, 1>(a, b, b_rows, c, c_rows, m, k, keep);
                16
            };
            column += columns;
        }
    }
}

/// All rows of `16·C` columns of the result.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn panel<V: Factors, const R: usize, const C: usize>(
    a: Strided,
    b: *const f32,
    b_rows: usize,
    c: *mut f32,
    c_rows: usize,
    m: usize,
    k: usize,
    keep: bool,
) {
    let mut row = 0;
    // SAFETY: rows stay below m, which the caller answers for.
    unsafe {
        macro_rules! tiles {
            ($rows:expr) => {
                while m - row >= $rows {
                    let a = Strided { start: a.start.add(row * a.rows), ..a };
                    tile::<V, { $rows }, C>(a, b, b_rows, c.add(row * c_rows), c_rows, k, keep);
                    row += $rows;
                }
            };
        }
        tiles!(R);
        if R > 8 {
            tiles!(8);
        }
        tiles!(4);
        tiles!(2);
        tiles!(1);
    }
}

#[inline(always)]
unsafe fn tile<V: Factors, const R: usize, const C: usize>(
    a: Strided,
    b: *const f32,
    b_rows: usize,
    c: *mut f32,
    c_rows: usize,
    k: usize,
    keep: bool,
) {
    // SAFETY: reads R rows and k columns of `a`, k rows and 16·C columns of `b`, writes R rows and 16·C columns of
    // `c`, all of which the caller answers for.
    unsafe {
        let mut sums = [[V::splat(0.0); C]; R];
        if keep {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(c.add(r * c_rows + 16 * j));
                }
            }
        }
        let (mut a_column, mut b_row) = (a.start, b);
        for _ in 0..k {
            V::prefetch(a_column.wrapping_add(2 * AHEAD * a.columns));
            for j in 0..C {
                V::prefetch(b_row.wrapping_add(AHEAD * b_rows + 16 * j));
            }
            let mut right = [V::splat(0.0); C];
            for (j, right) in right.iter_mut().enumerate() {
                *right = V::load(b_row.add(16 * j));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let left = V::splat(*a_column.add(r * a.rows));
                for (sum, &right) in sums.iter_mut().zip(&right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
            a_column = a_column.wrapping_add(a.columns);
            b_row = b_row.wrapping_add(b_rows);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                sum.store(c.add(r * c_rows + 16 * j));
            }
        }
    }
}

#[inline(always)]
unsafe fn normalise<V: Lanes>(x: *const f32, n: *mut f32, scales: *mut f32, rows: usize, width: usize, apart: usize) {
    // SAFETY: reads `rows` rows of `x`, writes as many of `n` and `rows` of `scales`.
    unsafe {
        let (high, low) = (V::splat(NORM_LIMIT), V::splat(-NORM_LIMIT));
        for row in 0..rows {
            let (x, n) = (x.add(row * apart), n.add(row * apart));
            let mut squares = V::splat(0.0);
            for i in (0..width).step_by(16) {
                let value = V::load(x.add(i));
                squares = value.mul_add(value, squares);
            }
            let scale = (squares.sum() / width as f32 + NORM_EPSILON).sqrt().recip();
            *scales.add(row) = scale;
            let factor = V::splat(scale);
            for i in (0..width).step_by(16) {
                V::load(x.add(i)).mul(factor).min(high).max(low).store(n.add(i));
            }
        }
    }
}

#[inline(always)]
unsafe fn normalise_gradient<V: Lanes>(
    x: *const f32,
    scales: *const f32,
    dn: *const f32,
    dx: *mut f32,
    rows: usize,
    width: usize,
    apart: usize,
) {
    // With y = x·s and g = dn where y is within the limit: dx = s·(g − y·mean(g·y)).
    // SAFETY: reads `rows` rows of `x` and `dn` and `rows` of `scales`, changes as many of `dx`.
    unsafe {
        let limit = V::splat(NORM_LIMIT);
        for row in 0..rows {
            let (x, dn, dx) = (x.add(row * apart), dn.add(row * apart), dx.add(row * apart));
            let scale = *scales.add(row);
            let factor = V::splat(scale);
            let mut products = V::splat(0.0);
            for i in (0..width).step_by(16) {
                let y = V::load(x.add(i)).mul(factor);
                let g = V::load(dn.add(i)).where_within(y, limit);
                products = g.mul_add(y, products);
            }
            let mean = V::splat(-products.sum() / width as f32);
            for i in (0..width).step_by(16) {
                let y = V::load(x.add(i)).mul(factor);
                let g = V::load(dn.add(i)).where_within(y, limit);
                y.mul_add(mean, g).mul_add(factor, V::load(dx.add(i))).store(dx.add(i));
            }
        }
    }
}

#[inline(always)]
unsafe fn attention_softmax<V: Lanes>(s: *mut f32, bias: *const f32, width: usize, scale: f32, unseen: usize) {
    // SAFETY: changes `width` floats of `s`, reads as many of `bias`; `unseen` is less than `width`.
    unsafe {
        let factor = V::splat(scale);
        let mut largest = V::splat(f32::MIN);
        for i in (0..width).step_by(16) {
            let score = V::load(s.add(i)).mul_add(factor, V::load(bias.add(i)));
            score.store(s.add(i));
            if i >= unseen {
                largest = largest.max(score);
            }
        }
        // With places unseen, the maximum over the seen ones may lie in a vector that holds both.
        for i in 0..unseen {
            *s.add(i) = -1e30;
        }
        let mut top = largest.largest();
        if unseen > 0 {
            for i in unseen..unseen.next_multiple_of(16) {
                top = top.max(*s.add(i));
            }
        }
        let top = V::splat(-top);
        let mut total = V::splat(0.0);
        for i in (0..width).step_by(16) {
            let exponential = V::load(s.add(i)).add(top).exp();
            exponential.store(s.add(i));
            total = total.add(exponential);
        }
        for i in 0..unseen {
            *s.add(i) = 0.0;
        }
        let factor = V::splat(total.sum().recip());
        for i in (0..width).step_by(16) {
            V::load(s.add(i)).mul(factor).store(s.add(i));
        }
    }
}

#[inline(always)]
unsafe fn attention_softmax_gradient<V: Lanes>(p: *const f32, dp: *mut f32, dbias: *mut f32, width: usize, scale: f32) {
    // SAFETY: reads `width` floats of `p`, changes as many of `dp` and `dbias`.
    unsafe {
        let mut products = V::splat(0.0);
        for i in (0..width).step_by(16) {
            products = V::load(p.add(i)).mul_add(V::load(dp.add(i)), products);
        }
        let mean = V::splat(-products.sum());
        let factor = V::splat(scale);
        for i in (0..width).step_by(16) {
            let ds = V::load(dp.add(i)).add(mean).mul(V::load(p.add(i)));
            ds.add(V::load(dbias.add(i))).store(dbias.add(i));
            ds.mul(factor).store(dp.add(i));
        }
    }
}

#[inline(always)]
unsafe fn cross_entropy<V: Lanes>(logits: *mut f32, classes: usize, target: usize, scale: f32, loss: &mut f64) {
    let padded = classes.next_multiple_of(16);
    // SAFETY: changes `padded` floats of `logits`; `target` is below `classes`.
    unsafe {
        for i in classes..padded {
            *logits.add(i) = -1e30;
        }
        let mut largest = V::splat(f32::MIN);
        for i in (0..padded).step_by(16) {
            largest = largest.max(V::load(logits.add(i)));
        }
        let top = largest.largest();
        let at_target = *logits.add(target) - top;
        let mut total = V::splat(0.0);
        for i in (0..padded).step_by(16) {
            let exponential = V::load(logits.add(i)).add(V::splat(-top)).exp();
            exponential.store(logits.add(i));
            total = total.add(exponential);
        }
        let total = total.sum();
        let factor = V::splat(scale / total);
        for i in (0..padded).step_by(16) {
            V::load(logits.add(i)).mul(factor).store(logits.add(i));
        }
        *logits.add(target) -= scale;
        *loss += f64::from(total.ln() - at_target);
    }
}

#[inline(always)]
unsafe fn rectify<V: Lanes>(u: *mut f32, count: usize) {
    for i in (0..count).step_by(16) {
        // SAFETY: changes `count` floats of `u`.
        unsafe { V::load(u.add(i)).max(V::splat(0.0)).store(u.add(i)) }
    }
}

#[inline(always)]
unsafe fn rectify_gradient<V: Lanes>(u: *const f32, du: *mut f32, count: usize) {
    for i in (0..count).step_by(16) {
        // SAFETY: reads `count` floats of `u`, none negative, and changes as many of `du`. A gradient passes where
        // not |u| < the least positive number.
        unsafe {
            let gradient = V::load(du.add(i));
            let stopped = gradient.where_within(V::load(u.add(i)), V::splat(f32::MIN_POSITIVE));
            stopped.mul_add(V::splat(-1.0), gradient).store(du.add(i));
        }
    }
}

#[inline(always)]
unsafe fn accumulate<V: Lanes>(from: *const f32, to: *mut f32, count: usize) {
    for i in (0..count).step_by(16) {
        // SAFETY: reads `count` floats of `from` and changes as many of `to`.
        unsafe { V::load(from.add(i)).add(V::load(to.add(i))).store(to.add(i)) }
    }
}
