--- A suggestion as it stands against the buffer: what of it is still to come, and whether it is still true.
---
--- Nothing here draws or changes anything. What is shown and what is inserted both come from `rest`, which
--- compares with the buffer each time: ghost text is never shown or accepted where something else was typed.

local api = vim.api
local M = {}

---@class ghostline.Place
---@field row integer line, from 0
---@field col integer bytes, from 0

---@class ghostline.Ghost
---@field client_id integer
---@field buf integer
---@field item table the item as the server sent it
---@field text string what it inserts
---@field start ghostline.Place where it begins
---@field tail string what stands right of the cursor
---@field replaced integer how many bytes of `tail` it replaces

--- Where the cursor of the current window is.
---@return ghostline.Place
function M.cursor()
  local cursor = api.nvim_win_get_cursor(0)
  return { row = cursor[1] - 1, col = cursor[2] }
end

---@param buf integer
---@param row integer
---@return string
local function line_at(buf, row)
  return api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
end

--- The ghost of an item that answers a question asked at `cursor`, in the text as it is now; nil for what cannot be
--- shown: snippets, and ranges of several lines.
---@param client vim.lsp.Client
---@param buf integer
---@param item table
---@param cursor ghostline.Place
---@return ghostline.Ghost?
function M.new(client, buf, item, cursor)
  if type(item.insertText) ~= 'string' or item.insertText == '' then
    return nil
  end
  local line = line_at(buf, cursor.row)
  local first, last = cursor.col, cursor.col
  if type(item.range) == 'table' then
    local range = item.range
    if range.start.line ~= cursor.row or range['end'].line ~= cursor.row then
      return nil
    end
    first = vim.str_byteindex(line, client.offset_encoding, range.start.character, false)
    last = vim.str_byteindex(line, client.offset_encoding, range['end'].character, false)
  end
  if first > cursor.col or last < cursor.col then
    return nil
  end
  return {
    client_id = client.id,
    buf = buf,
    item = item,
    text = item.insertText,
    start = { row = cursor.row, col = first },
    tail = line:sub(cursor.col + 1),
    replaced = last - cursor.col,
  }
end

--- What names the suggestion in the session, if the server says.
---@param item table
---@return string?
function M.id(item)
  local id = vim.tbl_get(item, 'command', 'arguments', 1)
  return type(id) == 'string' and id or nil
end

--- The part of the text that is not in the buffer yet, with the cursor at `cursor`; nil when the buffer says
--- something else.
---@param ghost ghostline.Ghost
---@param cursor ghostline.Place
---@return string?
function M.rest(ghost, cursor)
  local start = ghost.start
  if cursor.row < start.row or (cursor.row == start.row and cursor.col < start.col) then
    return nil
  end
  if line_at(ghost.buf, cursor.row):sub(cursor.col + 1) ~= ghost.tail then
    return nil
  end
  -- Fails when the text has become shorter than where the suggestion begins.
  local is_there, typed = pcall(api.nvim_buf_get_text, ghost.buf, start.row, start.col, cursor.row, cursor.col, {})
  local text = is_there and table.concat(typed, '\n')
  if not text or not vim.startswith(ghost.text, text) then
    return nil
  end
  return ghost.text:sub(#text + 1)
end

--- The first word of `rest` with the blanks before it. A word is a run of characters of one kind, as Vim's `w` has
--- it: letters, punctuation, one script, emoji.
---@param rest string
---@return string
function M.first_word(rest)
  local taken, kind = {}, nil
  -- Characters as a person sees them, with what combines with them.
  for _, char in ipairs(vim.fn.split(rest, '\\zs')) do
    local class = vim.fn.charclass(char)
    if kind and class ~= kind then
      break
    end
    if class ~= 0 and not char:match('^%s') then
      kind = class
    end
    taken[#taken + 1] = char
  end
  return table.concat(taken)
end

--- The first line of `rest`; when that is used up, the next one with the line break before it.
---@param rest string
---@return string
function M.first_line(rest)
  return rest:match('^\n*[^\n]+') or rest
end

--- How many UTF-16 code units of the item are in the buffer when `rest` is still to come.
---@param ghost ghostline.Ghost
---@param rest string
---@return integer
function M.accepted_length(ghost, rest)
  return vim.str_utfindex(ghost.text:sub(1, #ghost.text - #rest), 'utf-16')
end

return M
