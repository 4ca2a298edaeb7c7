; What ghostline asks a Rust tree. ../README.md explains the captures.

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
