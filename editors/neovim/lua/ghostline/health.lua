--- `:checkhealth ghostline`.

local M = {}

local health = vim.health

--- Other plugins that draw ghost text: modules that are loaded, or commands that they define.
local COMPETITORS = {
  { module = 'copilot', command = 'Copilot', name = 'Copilot' },
  { module = 'codeium', command = 'Codeium', name = 'Codeium' },
  { module = 'supermaven-nvim', command = 'SupermavenStart', name = 'Supermaven' },
  { module = 'neocodeium', command = 'NeoCodeium', name = 'NeoCodeium' },
  { module = 'tabnine', command = 'TabnineStatus', name = 'Tabnine' },
  { module = 'minuet', command = 'Minuet', name = 'Minuet' },
  { module = 'llama', command = 'LlamaEnable', name = 'llama.vim' },
}

local function check_neovim()
  health.start('Neovim')
  local version = tostring(vim.version())
  local frame = require('ghostline.mode').current == 'frame'
  if vim.fn.has('nvim-0.11') == 0 then
    health.error(('Neovim %s is too old'):format(version), 'Install 0.11 or newer.')
  elseif frame then
    health.ok(('Neovim %s; ghost text by `require("ghostline").setup()`'):format(version))
  elseif vim.lsp.inline_completion then
    health.ok(('Neovim %s; ghost text by `vim.lsp.inline_completion`'):format(version))
  else
    health.warn(
      ('Neovim %s has no inline completion; the text comes by <C-x><C-o>'):format(version),
      'Call `require("ghostline").setup()`, which draws ghost text itself.'
    )
  end
end

local function check_program()
  health.start('Program')
  local cmd = require('ghostline.server').command()
  if not cmd then
    health.info('The server is started by a function of yours.')
    return
  end
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    health.error(('`%s` is not executable or not on PATH'):format(cmd[1]), {
      'Run `make install` in ghostline\'s folder; it puts the program into ~/.local/bin.',
      'Put that folder on the PATH that Neovim is started with.',
      'Or name it: `require("ghostline").setup({ cmd = { "/path/to/ghostline", "lsp" } })`.',
    })
    return
  end
  local is_run, done = pcall(function()
    return vim.system({ path, '--version' }, { text = true }):wait(5000)
  end)
  if is_run and done.code == 0 then
    health.ok(('%s: %s'):format(path, vim.trim(done.stdout)))
  else
    health.error(('%s does not start'):format(path), 'Run it in a terminal: `ghostline doctor`.')
  end
end

local function check_server()
  health.start('Server')
  local clients = require('ghostline.server').clients()
  if #clients == 0 then
    health.warn('No server is running', {
      'Call `require("ghostline").setup()` or `vim.lsp.enable("ghostline")`, and open a file.',
      '`:Ghostline log` shows what it said when it ended.',
    })
    return
  end
  for _, client in ipairs(clients) do
    local bufs = vim.tbl_count(client.attached_buffers)
    local text = 'Running as client %d, attached to %d buffers, positions in %s'
    health.ok(text:format(client.id, bufs, client.offset_encoding))
    local answer = client:request_sync('ghostline/status', vim.NIL, 2000)
    local report = answer and answer.result
    if not report then
      health.error('The server does not answer', '`:Ghostline restart`')
    elseif report.state == 'failed' then
      health.error(report.message or 'The model cannot be used')
    elseif report.state == 'loading' then
      health.info(('The model is being loaded: %d %%'):format(report.percent or 0))
    else
      local model, remote = report.model, report.remote
      if model and model ~= vim.NIL then
        health.ok(('Model %s, %s threads%s'):format(model.name, model.threads, model.gpu and ', ' .. model.gpu or ''))
      end
      if remote and remote ~= vim.NIL then
        local hosts = table.concat(remote.textGoesTo, ', ')
        health.info(hosts ~= '' and 'Text goes to ' .. hosts or 'Text stays on this machine')
        if remote.message then
          health.warn(remote.message)
        end
      end
      if report.enabled == false then
        health.warn('Switched off by `completion.enabled`', '`:Ghostline enable`')
      end
    end
  end
end

local function check_keys()
  health.start('Keys and other plugins')
  -- The report has a buffer of its own: what counts is a buffer where ghostline is at work.
  local client = require('ghostline.server').clients()[1]
  local buf = client and next(client.attached_buffers)
  local conflicts = buf and require('ghostline.keys').conflicts(buf, require('ghostline.mode').names()) or {}
  for _, conflict in ipairs(conflicts) do
    health.info(
      ('%s stays what it was (%s); for `%s` name another key: keys = { %s = "…" }'):format(
        conflict.key,
        conflict.owner,
        conflict.name,
        conflict.name
      )
    )
  end
  local n_others = 0
  for _, other in ipairs(COMPETITORS) do
    if package.loaded[other.module] or vim.fn.exists(':' .. other.command) == 2 then
      n_others = n_others + 1
      health.warn(('%s draws ghost text, too'):format(other.name), 'Switch one of the two off.')
    end
  end
  for _, client_other in ipairs(vim.lsp.get_clients()) do
    local is_inline = client_other.server_capabilities.inlineCompletionProvider
    if is_inline and client_other.name ~= require('ghostline.server').NAME and vim.lsp.inline_completion then
      n_others = n_others + 1
      health.info(('the language server %s offers inline completion, too'):format(client_other.name))
    end
  end
  if #conflicts + n_others == 0 then
    health.ok('Nothing is in the way')
  end
end

function M.check()
  check_neovim()
  check_program()
  check_server()
  check_keys()
end

return M
