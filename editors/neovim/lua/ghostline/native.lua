--- Ghost text by Neovim's own `vim.lsp.inline_completion` (0.12 and later), and the keys for it.
---
--- Neovim asks 200 ms after the last key and draws; this module only adds what it leaves out: keys, accepting right
--- when characters were typed since the answer, and telling the server what was shown. On Neovim 0.11, which has no
--- inline completion, it does nothing: the server then offers the same text as ordinary LSP completion
--- (`<C-x><C-o>`). The other way, which asks with every key and draws by itself, is `frame.lua`.

local keys = require('ghostline.keys')
local switch = require('ghostline.switch')
local tell = require('ghostline.tell')

local M = {}

--- Where the cursor stood when the text on the screen was asked for, per buffer: `{ row, column }`, from 0.
---@type table<integer, { [1]: integer, [2]: integer }>
local asked_at = {}

--- The clients whose requests are watched.
---@type table<integer, true>
local is_watched = {}

--- Writes down, for every answer that will be shown, where its request was made. Neovim does not tell: an
--- item's range is that of the text as it was then, and the difference is what was typed since.
---@param client vim.lsp.Client
local function watch_requests(client)
  if is_watched[client.id] then
    return
  end
  is_watched[client.id] = true
  local request = client.request
  client.request = function(self, method, params, handler, buf)
    if method == 'textDocument/inlineCompletion' and handler then
      local cursor = vim.api.nvim_win_get_cursor(0)
      local inner = handler
      handler = function(err, result, ctx, ...)
        local is_shown = not err and vim.startswith(vim.api.nvim_get_mode().mode, 'i')
        if not err then
          asked_at[ctx.bufnr] = { cursor[1] - 1, cursor[2] }
        end
        local returned = inner(err, result, ctx, ...)
        local item = is_shown and type(result) == 'table' and (result.items or result)[1]
        if item then
          tell.shown(client, item)
        end
        return returned
      end
    end
    return request(self, method, params, handler, buf)
  end
end

--- The item with its range moved on to the text as it is now, or nil when that contradicts the item: then
--- what the user saw is no longer true, and must not be inserted.
---
--- Without this a quick Tab leaves the characters typed since the answer behind the inserted text
--- (neovim/neovim#36529, in 0.12.4).
local function moved_on(item, buf)
  local asked = asked_at[buf]
  if not item.range or not asked or type(item.insert_text) ~= 'string' then
    return item
  end
  local row, column, end_row, end_column = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  if row ~= end_row or row ~= asked[1] or row ~= cursor[1] - 1 or column > cursor[2] then
    return nil
  end
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
  if not vim.startswith(item.insert_text, line:sub(column + 1, cursor[2])) then
    return nil
  end
  local typed = cursor[2] - asked[2]
  local new_end = math.max(cursor[2], math.min(end_column + typed, #line))
  if new_end ~= end_column then
    item.range = vim.range(buf, row, column, row, new_end)
  end
  return item
end

--- Inserts the ghost text; false when there is none.
---@param fall_back fun()
---@return boolean
local function accept(fall_back)
  local buf = vim.api.nvim_get_current_buf()
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      local moved = moved_on(item, buf)
      if not moved then
        fall_back()
        return nil
      end
      -- One undo takes back the accepted text alone, not the whole insert session.
      vim.bo[buf].undolevels = vim.bo[buf].undolevels
      return moved
    end,
  })
end

--- Goes `count` suggestions on; the function says false when there is no ghost text.
---@param count integer
---@return fun(): boolean?
local function select(count)
  return function()
    local marks = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
    if #vim.api.nvim_buf_get_extmarks(0, marks, 0, -1, { limit = 1 }) == 0 then
      return false
    end
    vim.lsp.inline_completion.select({ count = count })
  end
end

--- Switches Neovim's ghost text on in `buf` for the language server `client`.
---@param client vim.lsp.Client
---@param buf integer
function M.attach(client, buf)
  if not vim.lsp.inline_completion then
    return
  end
  watch_requests(client)
  if switch.is_on(buf) then
    vim.lsp.inline_completion.enable(true, { bufnr = buf })
  end
  keys.map(buf, 'accept', accept)
  keys.map(buf, 'next', select(1))
  keys.map(buf, 'previous', select(-1))
end

--- Switches Neovim's ghost text off for the language server `client`; other servers keep theirs.
---@param client vim.lsp.Client
function M.detach(client)
  if vim.lsp.inline_completion then
    vim.lsp.inline_completion.enable(false, { client_id = client.id })
    -- And it is not switched on again with those of other servers.
    client.server_capabilities.inlineCompletionProvider = nil
  end
end

return M
