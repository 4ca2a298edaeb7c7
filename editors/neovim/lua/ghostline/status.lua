--- What the server says about itself (`ghostline/status` in `docs/protocol.md`), and what that means for a buffer.

local server = require('ghostline.server')
local switch = require('ghostline.switch')

local M = {}

--- The last report of each client.
---@type table<integer, table>
local reports = {}

---@class ghostline.Status
---@field state 'absent'|'off'|'loading'|'ready'|'failed' absent: no server in this buffer
---@field percent integer? while loading
---@field message string? when failed: what is wrong and the way out
---@field model string? name of the model
---@field text_goes_to string[] hosts that get text; none where it stays on this machine
---@field latency_ms number? median time of an answer in the server
---@field mode string? `automatic`, `subtle` or `manual`
---@field shown integer? suggestions in this session
---@field accepted integer?

--- Takes a report; called by `lsp/ghostline.lua`.
---@param report table?
---@param client_id integer
function M.receive(report, client_id)
  if type(report) ~= 'table' then
    return
  end
  local before = reports[client_id]
  reports[client_id] = report
  local mode = require('ghostline.mode')
  if before and before.state == report.state and before.enabled == report.enabled then
    mode.announce()
  else
    -- What was asked while the model was loaded was answered with nothing.
    mode.refresh()
  end
end

--- Asks a client that has just started: its first notification may have come before anybody listened.
---@param client vim.lsp.Client
function M.attach(client)
  server.attached()
  if not reports[client.id] then
    ---@diagnostic disable-next-line: param-type-mismatch
    client:request('ghostline/status', vim.NIL, function(_, report)
      M.receive(report, client.id)
    end)
  end
end

---@param client_id integer
function M.forget(client_id)
  reports[client_id] = nil
  require('ghostline.mode').announce()
end

--- Whether the settings of the servers leave it on; also where none has said anything yet.
---@return boolean
function M.is_enabled()
  for _, report in pairs(reports) do
    if report.enabled == false then
      return false
    end
  end
  return true
end

--- How ghostline stands in a buffer, the current one by default.
---@param buf integer?
---@return ghostline.Status
function M.of(buf)
  buf = (buf == nil or buf == 0) and vim.api.nvim_get_current_buf() or buf
  local client = server.clients({ bufnr = buf })[1]
  if not client then
    return { state = 'absent', text_goes_to = {} }
  end
  -- Since 0.12 a null is `vim.NIL`.
  local report = vim.tbl_map(function(value)
    return value ~= vim.NIL and value or nil
  end, reports[client.id] or { state = 'loading', percent = 0 })
  local state = report.state
  local is_off = not switch.is_on(buf) or vim.tbl_get(reports, client.id, 'enabled') == false
  if state ~= 'failed' and is_off then
    state = 'off'
  end
  return {
    state = state,
    percent = report.percent,
    message = report.message,
    model = vim.tbl_get(report, 'model', 'name'),
    text_goes_to = vim.tbl_get(report, 'remote', 'textGoesTo') or {},
    latency_ms = report.medianLatencyMs,
    mode = report.mode,
    shown = report.shown,
    accepted = report.accepted,
  }
end

return M
