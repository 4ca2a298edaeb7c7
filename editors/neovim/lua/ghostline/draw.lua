--- Draws ghost text with extmarks, and takes it away.
---
--- What is on the screen together with the buffer's own text is what the buffer would hold after accepting.

local api = vim.api
local M = {}

M.namespace = api.nvim_create_namespace('ghostline')

--- The highlight of ghost text; a colour scheme or the user may set it.
M.HIGHLIGHT = 'GhostlineGhost'

function M.set_highlight()
  local link = vim.fn.has('nvim-0.12') == 1 and 'ComplHint' or 'NonText'
  api.nvim_set_hl(0, M.HIGHLIGHT, { default = true, link = link })
end

--- `text` as it looks from display column `column` on: tabs as blanks, because virtual text has no tab stops, and
--- control characters as Vim shows them.
---@param text string
---@param column integer
---@return string
local function visible(text, column)
  if not text:find('%c') then
    return text
  end
  local parts = {}
  for part, tab in text:gmatch('([^\t]*)(\t?)') do
    local shown = vim.fn.strtrans(part)
    column = column + vim.fn.strdisplaywidth(shown, column)
    if tab ~= '' then
      local width = vim.fn.strdisplaywidth(tab, column)
      shown, column = shown .. (' '):rep(width), column + width
    end
    parts[#parts + 1] = shown
  end
  return table.concat(parts)
end

--- Places for the characters of `kept` in `text`: for each byte, after how many bytes of `text` it comes. Nil when
--- `text` does not hold them in that order.
---@param text string
---@param kept string
---@return integer[]?
local function align(text, kept)
  -- Bytes are only characters in ASCII, which all closers are.
  if kept:find('[\128-\255]') then
    return nil
  end
  local places, last = {}, #text
  for index = #kept, 1, -1 do
    while last > 0 and text:byte(last) ~= kept:byte(index) do
      last = last - 1
    end
    if last == 0 then
      return nil
    end
    places[index], last = last, last - 1
  end
  return places
end

---@param buf integer
---@param place ghostline.Place
---@param options table
local function mark(buf, place, options)
  api.nvim_buf_set_extmark(
    buf,
    M.namespace,
    place.row,
    place.col,
    vim.tbl_extend('force', {
      -- Over text, the background of the line it covers is kept; between text, nothing of its neighbours', such as
      -- that of a matching bracket.
      hl_mode = options.virt_text_pos == 'overlay' and 'combine' or 'replace',
      undo_restore = false,
      strict = false,
    }, options)
  )
end

--- The chunks of `text` and, behind it, what stays of the buffer's own text; with blanks over what does not, where that
--- was wider.
local function chunks_over(ghost, text, column)
  local shown = visible(text, column)
  local behind = column + vim.fn.strdisplaywidth(shown, column)
  local kept = visible(ghost.tail:sub(ghost.replaced + 1), behind)
  local width = behind - column + vim.fn.strdisplaywidth(kept, behind)
  local blanks = math.max(0, vim.fn.strdisplaywidth(ghost.tail, column) - width)
  return { { shown, M.HIGHLIGHT }, { kept .. (' '):rep(blanks) } }
end

--- One line, and nothing of the buffer's hidden: the text moves what stands right of the cursor aside, between the
--- characters that it brings itself, such as the closing bracket that an editor has put there already.
local function draw_line(ghost, place, text, column)
  local kept = ghost.tail:sub(1, ghost.replaced)
  local places = align(text, kept)
  if not places then
    mark(ghost.buf, place, { virt_text = chunks_over(ghost, text, column), virt_text_pos = 'overlay' })
    return
  end
  local from = 1
  for index = 1, #kept + 1 do
    local to = (places[index] or #text + 1) - 1
    if to >= from then
      local shown = visible(text:sub(from, to), column)
      mark(ghost.buf, { row = place.row, col = place.col + index - 1 }, {
        virt_text = { { shown, M.HIGHLIGHT } },
        virt_text_pos = 'inline',
      })
      column = column + vim.fn.strdisplaywidth(shown, column)
    end
    -- The buffer's own character between this piece and the next.
    column, from = column + 1, to + 2
  end
end

--- Several lines: what stands right of the cursor goes behind the last of them.
local function draw_block(ghost, place, lines, column)
  local tail = ghost.tail:sub(ghost.replaced + 1)
  local below = {}
  for index = 2, #lines do
    below[#below + 1] = { { visible(lines[index], 0), M.HIGHLIGHT } }
  end
  if tail ~= '' then
    table.insert(below[#below], { visible(tail, vim.fn.strdisplaywidth(lines[#lines])) })
  end
  local first = visible(lines[1], column)
  local hidden = vim.fn.strdisplaywidth(ghost.tail, column) - vim.fn.strdisplaywidth(first, column)
  local is_over = ghost.tail ~= ''
  mark(ghost.buf, place, {
    virt_text = { { first .. (is_over and (' '):rep(math.max(0, hidden)) or ''), M.HIGHLIGHT } },
    virt_text_pos = is_over and 'overlay' or 'inline',
    virt_lines = below,
  })
end

--- Takes the ghost text in `buf` off the screen.
---@param buf integer
function M.hide(buf)
  if api.nvim_buf_is_valid(buf) then
    api.nvim_buf_clear_namespace(buf, M.namespace, 0, -1)
  end
end

--- Draws `rest` of a ghost at the cursor of the current window, in place of what was drawn before.
---@param ghost ghostline.Ghost
---@param place ghostline.Place
---@param rest string
function M.show(ghost, place, rest)
  M.hide(ghost.buf)
  -- Another window on the same buffer is not where the user types. The function is experimental: without it the
  -- ghost text stands in both.
  if api.nvim__ns_set then
    pcall(api.nvim__ns_set, M.namespace, { wins = { api.nvim_get_current_win() } })
  end
  local lines = vim.split(rest, '\n', { plain = true })
  -- Columns of the text itself: `virtcol` would count ghost text that is drawn already.
  local before = api.nvim_buf_get_text(ghost.buf, place.row, 0, place.row, place.col, {})[1]
  local column = vim.fn.strdisplaywidth(before)
  if #lines == 1 then
    draw_line(ghost, place, rest, column)
  else
    draw_block(ghost, place, lines, column)
  end
end

return M
