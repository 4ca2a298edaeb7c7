--- Puts accepted text into the buffer the way a person's own typing would stand there: one undo takes it back and
--- nothing else, `.` repeats it with what was typed around it.

local api = vim.api
local M = {}

--- Replaces `replaced` bytes right of the cursor by `text`; the cursor goes behind it.
---@param buf integer
---@param text string
---@param replaced integer
local function put(buf, text, replaced)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local lines = vim.split(text, '\n', { plain = true })
  api.nvim_buf_set_text(buf, row - 1, col, row - 1, col + replaced, lines)
  local last = lines[#lines]
  api.nvim_win_set_cursor(0, { row + #lines - 1, (#lines == 1 and col or 0) + #last })
end

--- Inserts `text` at the cursor of the current window over `replaced` bytes right of it.
---@param buf integer
---@param text string
---@param replaced integer
---@return boolean is_done false where Neovim does not let the text be changed just now
function M.insert(buf, text, replaced)
  -- Ends the undo step of what was typed before.
  vim.bo[buf].undolevels = vim.bo[buf].undolevels
  -- Only text that comes by `nvim_paste` is repeated by `.`; how it gets into the buffer is up to `vim.paste`, which
  -- users replace.
  local paste = vim.paste
  local is_done = false
  vim.paste = function()
    put(buf, text, replaced)
    is_done = true
    return true
  end
  local is_fine, message = pcall(api.nvim_paste, text, false, -1)
  vim.paste = paste
  if not is_done then
    if is_fine or tostring(message):find('E565', 1, true) then
      return false
    end
    error(message, 0)
  end
  -- And what is typed behind it is an undo step of its own.
  api.nvim_feedkeys(vim.keycode('<C-g>u'), 'ni', false)
  return true
end

return M
