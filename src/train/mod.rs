//! Training: the only room with floats and candle.
