//! Figures for people: percentiles, tables.
