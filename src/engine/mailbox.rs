//! The mailbox: at most one waiting job per document, the newest; the loser is told so.
