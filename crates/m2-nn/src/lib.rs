//! m2-nn
