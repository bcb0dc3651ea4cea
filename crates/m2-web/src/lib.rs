//! m2-web
