--- What ghostline's server is told beside the protocol's own messages: `docs/protocol.md` describes each.
---
--- It learns by them what became of a suggestion, and where it may work ahead.

local ghost = require('ghostline.ghost')

local M = {}

---@param client vim.lsp.Client
---@param method string
---@param params table
local function notify(client, method, params)
  if not client:is_stopped() then
    ---@diagnostic disable-next-line: param-type-mismatch
    client:notify(method, params)
  end
end

--- What was reported as shown last, per client.
---@type table<integer, string>
local last_shown = {}

--- The item is on the screen. Told once for each suggestion, which keeps its name while it is typed along.
---@param client vim.lsp.Client
---@param item table
function M.shown(client, item)
  local id = ghost.id(item)
  if id and last_shown[client.id] ~= id then
    last_shown[client.id] = id
    notify(client, 'textDocument/didShowCompletion', { item = item })
  end
end

--- The first `length` UTF-16 code units of the item's text are accepted.
---@param client vim.lsp.Client
---@param item table
---@param length integer
function M.partially_accepted(client, item, length)
  notify(client, 'textDocument/didPartiallyAcceptCompletion', { item = item, acceptedLength = length })
end

--- The item was accepted whole.
---@param client vim.lsp.Client
---@param item table
---@param buf integer
function M.accepted(client, item, buf)
  if type(item.command) == 'table' and not client:is_stopped() then
    -- Whether it was counted is of no interest here.
    client:exec_cmd(item.command, { bufnr = buf }, function() end)
  end
end

--- The user has put the item away.
---@param client vim.lsp.Client
---@param item table
function M.dismissed(client, item)
  notify(client, 'ghostline/didDismiss', { item = item })
end

--- The editor shows this document now; nil for none of the client's.
---@param client vim.lsp.Client
---@param uri string?
function M.focused(client, uri)
  notify(client, 'textDocument/didFocus', { textDocument = { uri = uri or vim.NIL } })
end

--- The cursor was moved without an edit.
---@param client vim.lsp.Client
---@param uri string
---@param position lsp.Position
function M.moved(client, uri, position)
  notify(client, 'ghostline/didChangeSelection', { textDocument = { uri = uri }, position = position })
end

--- The documents that are visible, the focused one first.
---@param client vim.lsp.Client
---@param uris string[]
function M.visible(client, uris)
  local documents = vim.tbl_map(function(uri)
    return { uri = uri }
  end, uris)
  notify(client, 'ghostline/didChangeVisible', { textDocuments = documents })
end

return M
