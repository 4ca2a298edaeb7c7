--- Ghost text by Neovim's own `vim.lsp.inline_completion` (0.12 and later), and the keys for it.
---
--- Neovim asks 200 ms after the last key and draws; this module only adds what it leaves out: keys, and
--- accepting right when characters were typed since the answer. On Neovim 0.11, which has no inline
--- completion, it does nothing: the server then offers the same text as ordinary LSP completion (`<C-x><C-o>`).

local M = {}

--- What to press in insert mode; `vim.g.ghostline = { keys = { accept = '<C-l>', next = false } }` changes
--- or removes one. Tab, because ghost text is where the cursor goes next, and because every other editor
--- takes it with Tab. Not `<M-[>`: terminals send it as the beginning of an arrow key.
local KEYS = { accept = '<Tab>', next = '<M-n>', previous = '<M-p>' }

--- Where the cursor stood when the text on the screen was asked for, per buffer: `{ row, column }`, from 0.
---@type table<integer, { [1]: integer, [2]: integer }>
local asked_at = {}

--- Writes down, for every answer that will be shown, where its request was made. Neovim does not tell: an
--- item's range is that of the text as it was then, and the difference is what was typed since.
local function watch_requests(client)
  local request = client.request
  client.request = function(self, method, params, handler, buf)
    if method == 'textDocument/inlineCompletion' and handler then
      local cursor = vim.api.nvim_win_get_cursor(0)
      local inner = handler
      handler = function(err, result, ctx, ...)
        if not err then
          asked_at[ctx.bufnr] = { cursor[1] - 1, cursor[2] }
        end
        return inner(err, result, ctx, ...)
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

--- What `key` did before it was taken: another mapping, or its own meaning.
local function fall_back(key, earlier)
  local lhs = vim.keycode(key)
  for _, map in ipairs(earlier and {} or vim.api.nvim_get_keymap('i')) do
    if map.lhsraw == lhs or map.lhsrawalt == lhs then
      earlier = map
    end
  end
  if not earlier then
    return vim.api.nvim_feedkeys(lhs, 'in', false)
  end
  local keys = earlier.rhs or ''
  if earlier.callback then
    keys = earlier.callback()
  elseif earlier.expr == 1 then
    keys = vim.api.nvim_eval(keys)
  end
  local is_typed = not earlier.callback or earlier.expr == 1
  if is_typed and type(keys) == 'string' and keys ~= '' then
    local must_replace = not earlier.callback or earlier.replace_keycodes == 1
    vim.api.nvim_feedkeys(must_replace and vim.keycode(keys) or keys, earlier.noremap == 1 and 'in' or 'im', false)
  end
end

--- Inserts the ghost text, or does what `key` did before when there is none.
local function accept(key, earlier)
  local buf = vim.api.nvim_get_current_buf()
  local is_there = vim.lsp.inline_completion.get({
    on_accept = function(item)
      local moved = moved_on(item, buf)
      if not moved then
        fall_back(key, earlier)
        return nil
      end
      -- One undo takes back the accepted text alone, not the whole insert session.
      vim.bo[buf].undolevels = vim.bo[buf].undolevels
      return moved
    end,
  })
  if not is_there then
    fall_back(key, earlier)
  end
end

--- Switches ghost text on in `buf` for the language server `client`.
function M.attach(client, buf)
  if not vim.lsp.inline_completion then
    return
  end
  if not client.ghostline_is_watched then
    client.ghostline_is_watched = true
    watch_requests(client)
  end
  vim.lsp.inline_completion.enable(true, { bufnr = buf })

  local function map(name, describe, act)
    local key = vim.tbl_get(vim.g.ghostline or {}, 'keys', name)
    if key == nil then
      key = KEYS[name]
    end
    if not key then
      return
    end
    local map_now = vim.api.nvim_buf_call(buf, function()
      return vim.fn.maparg(key, 'i', false, true)
    end)
    if map_now.desc ~= describe then
      local earlier = map_now.buffer == 1 and map_now or nil
      vim.keymap.set('i', key, function()
        act(key, earlier)
      end, { buffer = buf, desc = describe })
    end
  end
  map('accept', 'ghostline: accept the ghost text', accept)
  map('next', 'ghostline: next suggestion', function()
    vim.lsp.inline_completion.select({ count = 1 })
  end)
  map('previous', 'ghostline: previous suggestion', function()
    vim.lsp.inline_completion.select({ count = -1 })
  end)
end

return M
