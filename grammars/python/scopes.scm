; What ghostline asks a Python tree. ../README.md explains the captures.

(comment) @comment.line

(string) @string
(interpolation) @interpolation

(block . (expression_statement (string)) @docstring)

[(import_statement) (import_from_statement) (future_import_statement)] @import

(decorated_definition definition: (_ ":" @block.open body: (_) @body)) @definition
(function_definition ":" @block.open body: (_) @body) @definition
(class_definition ":" @block.open body: (_) @body) @definition

(block) @block

(function_definition ":" @block.open)
(class_definition ":" @block.open)
(if_statement ":" @block.open)
(elif_clause ":" @block.open)
(else_clause ":" @block.open)
(for_statement ":" @block.open)
(while_statement ":" @block.open)
(with_statement ":" @block.open)
(try_statement ":" @block.open)
(except_clause ":" @block.open)
(finally_clause ":" @block.open)
(match_statement ":" @block.open)
(case_clause ":" @block.open)
