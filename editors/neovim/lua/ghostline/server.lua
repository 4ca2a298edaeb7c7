--- The language server's life: which clients there are, restarting it by hand and, after a crash, by itself.

local api = vim.api
local M = {}

M.NAME = 'ghostline'

--- Pauses before each restart after a crash, in milliseconds; there is none after the last of them.
local PAUSES = { 200, 1000, 5000 }

--- A server that has lived this long had not failed to start: the next crash counts as the first.
local LONG_LIFE = 60000

--- Restarts since it last lived long.
local n_crashes = 0

---@type integer?
local started_at

--- Buffers of clients that are being stopped in order to start again, by the client's id.
---@type table<integer, integer[]>
local to_restart = {}

local is_leaving = false

--- The running clients.
---@param filter { bufnr: integer? }?
---@return vim.lsp.Client[]
function M.clients(filter)
  return vim.lsp.get_clients(vim.tbl_extend('force', { name = M.NAME }, filter or {}))
end

--- Notes that a server has started and is in use.
function M.attached()
  started_at = started_at or vim.uv.now()
end

---@param config vim.lsp.ClientConfig
---@param bufs integer[]
local function start(config, bufs)
  started_at = nil
  for _, buf in ipairs(bufs) do
    if api.nvim_buf_is_valid(buf) and api.nvim_buf_is_loaded(buf) then
      vim.lsp.start(config, {
        bufnr = buf,
        reuse_client = function(client, other)
          return client.name == other.name and not client:is_stopped()
        end,
      })
    end
  end
end

--- Starts the server again after a crash, a few times.
---@param config vim.lsp.ClientConfig
---@param bufs integer[]
local function start_after_crash(config, bufs)
  if started_at and vim.uv.now() - started_at > LONG_LIFE then
    n_crashes = 0
  end
  n_crashes = n_crashes + 1
  local pause = PAUSES[n_crashes]
  if not pause then
    -- Short, and after Neovim's own message about the end of a server has been painted: messages that do not fit
    -- stop the user with a prompt.
    vim.defer_fn(function()
      vim.cmd.redraw()
      vim.notify('ghostline keeps crashing and stays off; see :Ghostline log', vim.log.levels.ERROR)
    end, 200)
    return
  end
  vim.defer_fn(function()
    if not is_leaving and #M.clients() == 0 then
      start(config, bufs)
    end
  end, pause)
end

--- Called when a server has ended, by `lsp/ghostline.lua`.
---@param code integer
---@param signal integer
---@param id integer
function M.exited(code, signal, id)
  -- Soon there is no client of this number any more.
  local client = vim.lsp.get_client_by_id(id)
  local bufs = to_restart[id] or (client and vim.tbl_keys(client.attached_buffers)) or {}
  local is_wanted = to_restart[id] ~= nil
  to_restart[id] = nil
  vim.schedule(function()
    require('ghostline.status').forget(id)
    if is_leaving or not client then
      return
    end
    if is_wanted then
      start(client.config, bufs)
    elseif code ~= 0 or (signal ~= 0 and signal ~= 15) then
      start_after_crash(client.config, bufs)
    end
  end)
end

--- Stops the server and starts it again for the same buffers. Starts it where it does not run.
function M.restart()
  n_crashes = 0
  local clients = M.clients()
  if #clients == 0 then
    -- Asks again for every buffer; servers that run there already stay.
    vim.lsp.enable(M.NAME)
    return
  end
  for _, client in ipairs(clients) do
    to_restart[client.id] = vim.tbl_keys(client.attached_buffers)
    client:stop()
    vim.defer_fn(function()
      if to_restart[client.id] then
        client:stop(true)
      end
    end, 3000)
  end
end

--- The command that starts the server, nil when it is started by a function of the user's.
---@return string[]?
function M.command()
  local client = M.clients()[1]
  local config = client and client.config or vim.lsp.config[M.NAME]
  local cmd = config and config.cmd
  return type(cmd) == 'table' and cmd or nil
end

--- Notes that Neovim is being left, where servers end by themselves.
function M.leave()
  is_leaving = true
end

return M
