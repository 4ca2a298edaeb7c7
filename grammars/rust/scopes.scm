; What ghostline asks a Rust tree. The captures:
;
;   @definition    a named thing with a body, the body being the @body of the same pattern
;   @import        an import; only those at the top level count
;   @comment       a comment that has an end mark
;   @comment.line  a comment that the end of its line ends
;   @string        text in quotes
;   @interpolation code within a string
;   @docstring     a string that documents the block it stands in: an empty block may hold it
;   @block         a block of statements, members or cases
;   @block.open    the token that opens a block

(line_comment) @comment.line
(block_comment) @comment

[(string_literal) (raw_string_literal) (char_literal)] @string

[(use_declaration) (extern_crate_declaration)] @import

(function_item body: (_) @body) @definition
(impl_item body: (_) @body) @definition
(trait_item body: (_) @body) @definition
(struct_item body: (_) @body) @definition
(enum_item body: (_) @body) @definition
(union_item body: (_) @body) @definition
(mod_item body: (_) @body) @definition

[
  (block)
  (match_block)
  (declaration_list)
  (field_declaration_list)
  (enum_variant_list)
] @block

(block "{" @block.open)
(match_block "{" @block.open)
(declaration_list "{" @block.open)
(field_declaration_list "{" @block.open)
(enum_variant_list "{" @block.open)
