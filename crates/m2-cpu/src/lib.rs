//! m2-cpu
