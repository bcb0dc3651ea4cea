//! m2-data
