//! A syntax tree kept in step with edits, parsed within a time budget. The only user of `Parser`.

