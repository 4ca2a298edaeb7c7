//! Text from other open files that is worth having in the head.
