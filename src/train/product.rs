//! Products of small matrices on one thread.

/// A matrix in flat memory, possibly read transposed.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `values` row by row, `columns` each.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: columns, column_stride: 1 }
    }

    /// The same memory with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// One past the last element that a matrix of these sizes reaches.
    fn extent(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1
    }
}

/// `c = keep·c + a·b` for `a` of `m × k`, `b` of `k × n` and `c` of `m × n` row by row.
pub fn product(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, [m, k, n]: [usize; 3], keep: f32) {
    if m == 0 || k == 0 || n == 0 {
        return;
    }
    assert!(c.len() >= m * n && a.values.len() >= a.extent(m, k) && b.values.len() >= b.extent(k, n));
    // SAFETY: the assertion holds every element that the sizes and strides reach inside the three slices, and `c`,
    // borrowed mutably, overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            keep != 0.0,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            keep,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
