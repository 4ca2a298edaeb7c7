//! What is recalled, and where.
