//! Token healing: the boundary before a half-typed word, the vocabulary sorted by bytes, the mask.
