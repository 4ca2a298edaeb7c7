--- `:Ghostline` and its subcommands.

local api = vim.api
local M = {}

--- Shows lines in a window of their own at the bottom; `q` closes it.
---@param name string
---@param lines string[]
local function show(name, lines)
  local buf = api.nvim_create_buf(false, true)
  api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  vim.bo[buf].bufhidden = 'wipe'
  vim.bo[buf].modifiable = false
  api.nvim_buf_set_keymap(buf, 'n', 'q', '<Cmd>close<CR>', { noremap = true, nowait = true, desc = 'close' })
  api.nvim_open_win(buf, true, { split = 'below', win = 0, height = math.min(#lines, 20) })
  vim.wo.number, vim.wo.relativenumber, vim.wo.wrap = false, false, false
  vim.wo.winbar = name
end

--- The settings of a tree as variables, which the program reads beneath its own arguments.
---@param tree table
---@param prefix string
---@param found table<string, string>
---@return table<string, string>
local function variables(tree, prefix, found)
  for key, value in pairs(tree) do
    local name = ('%s_%s'):format(prefix, tostring(key):upper())
    if type(value) == 'table' and not vim.islist(value) then
      variables(value, name, found)
    elseif value ~= vim.NIL then
      found[name] = type(value) == 'string' and value or vim.json.encode(value)
    end
  end
  return found
end

--- How the server was started and set: what the doctor has to look at.
---@param cmd string[]
---@return string[] arguments, table<string, string> environment
local function as_started(cmd)
  local arguments = vim.list_slice(cmd, 2)
  if arguments[1] == 'lsp' then
    table.remove(arguments, 1)
  end
  arguments = vim.tbl_filter(function(argument)
    return argument ~= '--stdio'
  end, arguments)
  local client = require('ghostline.server').clients()[1]
  local config = client and client.config or vim.lsp.config.ghostline or {}
  local found = variables(config.init_options or {}, 'GHOSTLINE', {})
  return arguments, variables(vim.tbl_get(config, 'settings', 'ghostline') or {}, 'GHOSTLINE', found)
end

--- Runs the program with `argument` and shows what it prints.
---@param argument string
local function run_program(argument)
  local cmd = require('ghostline.server').command()
  if not cmd or vim.fn.executable(cmd[1]) == 0 then
    vim.notify('ghostline: the program is not on PATH; see :checkhealth ghostline', vim.log.levels.ERROR)
    return
  end
  local arguments, environment = as_started(cmd)
  vim.system({ cmd[1], argument, unpack(arguments) }, { text = true, env = environment }, function(done)
    vim.schedule(function()
      local text = vim.trim((done.stdout or '') .. (done.stderr or ''))
      show('ghostline ' .. argument, vim.split(text, '\n', { plain = true }))
    end)
  end)
end

--- Opens the server's log: the file of its own settings where there is one, else Neovim's, which it also goes to.
local function open_log()
  local client = require('ghostline.server').clients()[1]
  local config = client and client.config or vim.lsp.config.ghostline
  local file = vim.tbl_get(config or {}, 'init_options', 'log', 'file') or vim.lsp.log.get_filename()
  vim.cmd.split({ args = { vim.fn.fnameescape(file) } })
  vim.bo.modifiable, vim.bo.autoread = false, true
  vim.cmd.normal({ args = { 'G' }, bang = true })
end

local function show_status()
  local status = require('ghostline.status').of()
  local words = {
    absent = 'no server in this buffer; see :checkhealth ghostline',
    off = 'off',
    loading = ('loading, %d %%'):format(status.percent or 0),
    ready = 'ready',
    failed = status.message or 'failed',
  }
  local parts = { 'ghostline: ' .. words[status.state] }
  if status.model then
    parts[#parts + 1] = 'model ' .. status.model
  end
  if status.latency_ms then
    parts[#parts + 1] = ('%.1f ms'):format(status.latency_ms)
  end
  if status.shown then
    parts[#parts + 1] = ('%d shown, %d accepted'):format(status.shown, status.accepted or 0)
  end
  vim.notify(table.concat(parts, ' · '), status.state == 'failed' and vim.log.levels.ERROR or vim.log.levels.INFO)
end

---@param name string
local function own(name)
  return function()
    require('ghostline')[name]()
  end
end

---@param name 'enable'|'disable'|'toggle'
local function switch(name)
  return function(scope)
    require('ghostline')[name](scope)
    show_status()
  end
end

---@type table<string, fun(argument: string?)>
local COMMANDS = {
  accept = own('accept'),
  accept_line = own('accept_line'),
  accept_word = own('accept_word'),
  disable = switch('disable'),
  dismiss = own('dismiss'),
  doctor = function()
    run_program('doctor')
  end,
  enable = switch('enable'),
  health = function()
    vim.cmd.checkhealth('ghostline')
  end,
  log = open_log,
  next = own('next'),
  previous = own('previous'),
  restart = function()
    require('ghostline.server').restart()
  end,
  stats = function()
    run_program('stats')
  end,
  status = show_status,
  toggle = switch('toggle'),
  trigger = own('trigger'),
}

---@type table<string, true>
local SCOPES = { buffer = true, global = true, language = true }
local HAVE_SCOPE = { disable = true, enable = true, toggle = true }

--- Runs `:Ghostline …`; without an argument it shows the status.
---@param arguments string[]
function M.run(arguments)
  local name, scope = arguments[1] or 'status', arguments[2]
  local nearest = require('ghostline.options').nearest
  local function complain(what, given, known)
    local near = nearest(given, known)
    local hint = near and ('did you mean `%s`?'):format(near)
      or 'there are ' .. table.concat(vim.fn.sort(vim.tbl_keys(known)), ', ')
    vim.notify(('ghostline: unknown %s `%s`; %s'):format(what, given, hint), vim.log.levels.ERROR)
  end
  if not COMMANDS[name] then
    complain('command', name, COMMANDS)
  elseif scope and not HAVE_SCOPE[name] then
    vim.notify(('ghostline: `%s` takes no argument'):format(name), vim.log.levels.ERROR)
  elseif scope and not SCOPES[scope] then
    complain('scope', scope, SCOPES)
  else
    COMMANDS[name](scope)
  end
end

--- Completes the command line.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local words = vim.split(vim.trim(line), '%s+')
  -- The word under way is counted only when it was begun.
  local n_done = #words - (lead == '' and 0 or 1)
  local known = {}
  if n_done == 1 then
    known = COMMANDS
  elseif n_done == 2 and HAVE_SCOPE[words[2]] then
    known = SCOPES
  end
  return vim.fn.sort(vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, vim.tbl_keys(known)))
end

return M
