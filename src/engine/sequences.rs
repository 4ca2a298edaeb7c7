//! Which tokens each KV sequence holds: choose, keep, evict.
