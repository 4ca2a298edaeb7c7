--- Tells the server where the user is, so that it may work ahead there: the document in focus, those on the screen,
--- and where the cursor rests in normal mode.

local server = require('ghostline.server')
local switch = require('ghostline.switch')
local tell = require('ghostline.tell')

local api = vim.api
local M = {}

--- The cursor must have stood still for this long, in milliseconds: walking through a file asks for nothing.
local REST = 120

local timer ---@type uv.uv_timer_t?

--- What each client was told last.
---@type table<integer, { focus: string?, visible: string? }>
local told = {}

---@param buf integer
---@return vim.lsp.Client?
local function client_of(buf)
  return api.nvim_buf_is_valid(buf) and server.clients({ bufnr = buf })[1] or nil
end

--- The client's documents in the windows of this tab page, the current window's first.
---@param client vim.lsp.Client
---@return string[]
local function visible(client)
  local uris, is_there = {}, {}
  local wins = api.nvim_tabpage_list_wins(0)
  table.insert(wins, 1, api.nvim_get_current_win())
  for _, win in ipairs(wins) do
    local buf = api.nvim_win_get_buf(win)
    if client.attached_buffers[buf] and not is_there[buf] then
      is_there[buf] = true
      uris[#uris + 1] = vim.uri_from_bufnr(buf)
    end
  end
  return uris
end

--- Tells each client what is in focus and what is visible, where that has changed.
local function look()
  local buf = api.nvim_get_current_buf()
  for _, client in ipairs(server.clients()) do
    local before = told[client.id] or {}
    local focus = client.attached_buffers[buf] and vim.uri_from_bufnr(buf) or nil
    local uris = visible(client)
    local all = table.concat(uris, '\n')
    if before.focus ~= focus then
      tell.focused(client, focus)
    end
    if before.visible ~= all then
      tell.visible(client, uris)
    end
    told[client.id] = { focus = focus, visible = all }
  end
end

--- Tells where the cursor has come to rest.
local function rest()
  local buf = api.nvim_get_current_buf()
  local client = client_of(buf)
  if not client or not switch.is_on(buf) or api.nvim_get_mode().mode ~= 'n' then
    return
  end
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local line = api.nvim_get_current_line()
  local character = vim.str_utfindex(line, client.offset_encoding, math.min(col, #line))
  tell.moved(client, vim.uri_from_bufnr(buf), { line = row - 1, character = character })
end

local is_watching = false

--- Begins to watch, once, and looks.
function M.attach()
  vim.schedule(look)
  if is_watching then
    return
  end
  is_watching = true
  local group = api.nvim_create_augroup('ghostline.follow', {})
  -- Later, because windows are listed as they were while they are being closed.
  local later = vim.schedule_wrap(look)
  api.nvim_create_autocmd({ 'BufEnter', 'BufWinEnter', 'WinEnter', 'WinClosed', 'TabEnter' }, {
    group = group,
    callback = later,
  })
  api.nvim_create_autocmd('CursorMoved', {
    group = group,
    callback = function(event)
      if not client_of(event.buf) then
        return
      end
      timer = timer or assert(vim.uv.new_timer())
      timer:start(REST, 0, vim.schedule_wrap(rest))
    end,
  })
end

return M
