--- Whether ghostline is on: everywhere, in a buffer, in a language.
---
--- Off everywhere is also said to the server, so that it does not work for nothing. Off for a language is not: the list
--- in its settings may come from a file that Neovim knows nothing of, and would be replaced.

local M = {}

--- Nil until the user says something: then the server's own settings hold.
---@type boolean?
local is_on_everywhere

---@type table<string, true>
local languages_off = {}

---@alias ghostline.Scope 'global'|'buffer'|'language'

---@param buf integer
---@return boolean
function M.is_on(buf)
  return is_on_everywhere ~= false and vim.b[buf].ghostline ~= false and not languages_off[vim.bo[buf].filetype]
end

--- Tells the server whether it is wanted: its settings as the user has them, with that on top.
---@param client vim.lsp.Client
local function send(client)
  local own = vim.tbl_get(client.config, 'settings', 'ghostline') or {}
  local settings = vim.tbl_deep_extend('force', own, { completion = { enabled = is_on_everywhere } })
  client.settings = vim.tbl_extend('force', client.settings or {}, { ghostline = settings })
  client:notify('workspace/didChangeConfiguration', { settings = { ghostline = settings } })
end

--- Tells a client that has just started, if there is anything to tell.
---@param client vim.lsp.Client
function M.attach(client)
  if is_on_everywhere ~= nil then
    send(client)
  end
end

--- Switches on or off. `scope` is `global` by default; the buffer is the current one, the language its.
---@param on boolean
---@param scope ghostline.Scope?
function M.set(on, scope)
  if scope == 'buffer' then
    vim.b.ghostline = on
  elseif scope == 'language' then
    languages_off[vim.bo.filetype] = not on or nil
  else
    is_on_everywhere = on
    for _, client in ipairs(require('ghostline.server').clients()) do
      send(client)
    end
  end
  require('ghostline.mode').refresh()
end

--- What `toggle` would start from.
---@param scope ghostline.Scope?
---@return boolean
function M.is_set(scope)
  if scope == 'buffer' then
    return vim.b.ghostline ~= false
  elseif scope == 'language' then
    return not languages_off[vim.bo.filetype]
  end
  if is_on_everywhere == nil then
    return require('ghostline.status').is_enabled()
  end
  return is_on_everywhere
end

return M
