--- Ghost text of ghostline's own making: asked for with every key, drawn at once, accepted whole or in parts.
---
--- One suggestion stands at a time, in the buffer where the user types. What of it is still to come is compared with
--- the buffer whenever something changed (`ghost.lua`), before the screen is painted: typing along needs no answer,
--- and what is no longer true is gone before it is seen. Answers to older questions are dropped.

local draw = require('ghostline.draw')
local ghosts = require('ghostline.ghost')
local keys = require('ghostline.keys')
local menu = require('ghostline.menu')
local server = require('ghostline.server')
local switch = require('ghostline.switch')
local tell = require('ghostline.tell')

local api = vim.api
local M = {}

local INVOKED, AUTOMATIC = 1, 2

--- Whether ghost text makes room for a completion menu.
M.hide_in_menu = false

--- What can be shown here, and which of them is.
---@type { ghosts: ghostline.Ghost[], index: integer }?
local offered

--- What is on the screen: looks the same, is not drawn again.
---@type { buf: integer, place: ghostline.Place, rest: string, ghost: ghostline.Ghost }?
local drawn

--- The question that is not answered yet.
---@type { client: vim.lsp.Client, id: integer? }?
local pending

--- The text and the cursor that were asked about last: nothing is asked twice.
---@type { buf: integer, tick: integer, place: ghostline.Place }?
local seen

--- What the user has put away since insert mode was entered.
---@type ghostline.Ghost?
local dismissed

---@param a ghostline.Place
---@param b ghostline.Place
local function is_same(a, b)
  return a.row == b.row and a.col == b.col
end

local function hide()
  if drawn then
    draw.hide(drawn.buf)
    drawn = nil
  end
end

local function clear()
  offered = nil
  hide()
end

--- Forgets the question under way. It is cancelled where no newer one takes its place: one that does supersedes it
--- in the server, which then goes on with what it was writing if that still fits.
---@param is_over boolean?
local function forget(is_over)
  local question = pending
  pending = nil
  if is_over and question and question.id and question.client.requests[question.id] then
    question.client:cancel_request(question.id)
  end
end

--- The client to ask for ghost text at the cursor; nil where there is to be none.
---@return vim.lsp.Client?
local function client_here()
  local buf = api.nvim_get_current_buf()
  local client = server.clients({ bufnr = buf })[1]
  if not client or not vim.startswith(api.nvim_get_mode().mode, 'i') or not switch.is_on(buf) then
    return nil
  end
  -- A macro with accepted text in it would not repeat it.
  if vim.fn.reg_recording() ~= '' or vim.fn.reg_executing() ~= '' then
    return nil
  end
  if not vim.bo[buf].modifiable or vim.bo[buf].buftype ~= '' or vim.fn.foldclosed('.') ~= -1 then
    return nil
  end
  -- Behind the end of the line ('virtualedit') there is no place in the text.
  if vim.fn.getcurpos()[4] > 0 then
    return nil
  end
  return client
end

--- The suggestion that stands, with what of it is still to come; nil when there is none or it is no longer true.
---@return ghostline.Ghost?, string?
local function standing()
  local ghost = offered and offered.ghosts[offered.index]
  if not ghost or ghost.buf ~= api.nvim_get_current_buf() then
    return nil
  end
  local rest = ghosts.rest(ghost, ghosts.cursor())
  if not rest or (rest == '' and ghost.replaced == 0) then
    return nil
  end
  return ghost, rest
end

--- Puts on the screen what stands.
local function show()
  local ghost, rest = standing()
  if not ghost or not rest then
    return clear()
  end
  local place = ghosts.cursor()
  local is_drawn = drawn
    and drawn.buf == ghost.buf
    and is_same(drawn.place, place)
    and drawn.rest == rest
    and drawn.ghost.tail == ghost.tail
    and drawn.ghost.replaced == ghost.replaced
  if not is_drawn then
    hide()
    draw.show(ghost, place, rest)
    drawn = { buf = ghost.buf, place = place, rest = rest, ghost = ghost }
  end
  local client = vim.lsp.get_client_by_id(ghost.client_id)
  if client then
    tell.shown(client, ghost.item)
  end
end

--- True for what the user has put away, also when it comes again after more of it was typed.
---@param ghost ghostline.Ghost
---@param place ghostline.Place
local function is_dismissed(ghost, place)
  if not dismissed or dismissed.buf ~= ghost.buf then
    return false
  end
  local id = ghosts.id(ghost.item)
  return (id ~= nil and id == ghosts.id(dismissed.item)) or ghosts.rest(dismissed, place) == ghosts.rest(ghost, place)
end

---@param client vim.lsp.Client
---@param buf integer
---@param result any
---@param step integer how many suggestions to go on
local function take(client, buf, result, step)
  local place = ghosts.cursor()
  local found = {}
  for _, item in ipairs(type(result) == 'table' and (result.items or result) or {}) do
    local ghost = ghosts.new(client, buf, item, place)
    if ghost and ghosts.rest(ghost, place) and not is_dismissed(ghost, place) then
      found[#found + 1] = ghost
    end
  end
  offered = #found > 0 and { ghosts = found, index = 1 + step % #found } or nil
  show()
end

---@param client vim.lsp.Client
---@param kind integer
---@param step integer
local function ask(client, kind, step)
  forget()
  local buf, place, tick = api.nvim_get_current_buf(), ghosts.cursor(), api.nvim_buf_get_changedtick(0)
  local line = api.nvim_get_current_line()
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = {
      line = place.row,
      character = vim.str_utfindex(line, client.offset_encoding, math.min(place.col, #line)),
    },
    context = { triggerKind = kind },
  }
  local question = { client = client }
  pending = question
  -- The request sends the changes of the text that Neovim holds back before itself.
  ---@diagnostic disable-next-line: param-type-mismatch
  local _, id = client:request('textDocument/inlineCompletion', params, function(err, result)
    if pending ~= question then
      return
    end
    pending = nil
    -- Superseded or cancelled: what stands is right, or would not stand.
    if err then
      return
    end
    -- A key may have changed the text that Neovim has not told of yet.
    local is_current = api.nvim_get_current_buf() == buf
      and api.nvim_buf_get_changedtick(buf) == tick
      and is_same(ghosts.cursor(), place)
    if is_current and client_here() then
      take(client, buf, result, step)
    end
  end, buf)
  question.id = id
end

--- Leaves nothing on the screen and nothing under way.
local function stop()
  seen = nil
  forget(true)
  clear()
end

--- Looks at the text and the cursor: shows what is left of the suggestion, and asks anew where something changed.
local function update()
  local client = client_here()
  if not client or (M.hide_in_menu and menu.is_open()) then
    return stop()
  end
  local buf, place, tick = api.nvim_get_current_buf(), ghosts.cursor(), api.nvim_buf_get_changedtick(0)
  if seen and seen.buf == buf and seen.tick == tick and is_same(seen.place, place) then
    return
  end
  seen = { buf = buf, tick = tick, place = place }
  show()
  ask(client, AUTOMATIC, 0)
end

--- Asks again for what was asked already: the server or a switch has changed.
function M.refresh()
  seen = nil
  update()
end

--- Presses `first`, if anything, and then accepts, before anything that is typed already.
---@param first string
---@param choose fun(rest: string): string
local function accept_after(first, choose)
  M.resume = function()
    M.accept_some(choose, true)
  end
  api.nvim_feedkeys(vim.keycode(first .. '<Cmd>lua require("ghostline.frame").resume()<CR>'), 'ni', false)
end

--- Inserts what `choose` takes of the ghost text; false when there is none.
---@param choose fun(rest: string): string
---@param is_again boolean?
---@return boolean
function M.accept_some(choose, is_again)
  local ghost, rest = standing()
  if not ghost or not rest or not client_here() then
    return false
  end
  if vim.fn.pumvisible() == 1 and not is_again then
    -- An open menu would take the text for its own at the next key: it is closed first, as it stands.
    accept_after('<C-x><C-z>', choose)
    return true
  end
  local piece = choose(rest)
  local left = rest:sub(#piece + 1)
  local is_whole = left == ''
  local client = vim.lsp.get_client_by_id(ghost.client_id)
  if not require('ghostline.insert').insert(ghost.buf, piece, is_whole and ghost.replaced or 0) then
    if not is_again then
      -- The text must not change in an `<expr>` mapping, which is how other plugins map keys.
      accept_after('', choose)
    end
    return not is_again
  end
  if is_whole then
    clear()
  end
  if client and is_whole then
    tell.accepted(client, ghost.item, ghost.buf)
  elseif client then
    tell.partially_accepted(client, ghost.item, ghosts.accepted_length(ghost, left))
  end
  update()
  return true
end

--- Accepts the whole ghost text.
---@return boolean is_done false when there is none
function M.accept()
  return M.accept_some(function(rest)
    return rest
  end)
end

--- Accepts the next word of it.
---@return boolean is_done false when there is none
function M.accept_word()
  return M.accept_some(ghosts.first_word)
end

--- Accepts the next line of it.
---@return boolean is_done false when there is none
function M.accept_line()
  return M.accept_some(ghosts.first_line)
end

--- Puts the ghost text away, and does not show it again while it would be the same.
---@return boolean is_done false when there is none
function M.dismiss()
  local ghost = standing()
  if not ghost then
    return false
  end
  dismissed = ghost
  forget(true)
  clear()
  local client = vim.lsp.get_client_by_id(ghost.client_id)
  if client then
    tell.dismissed(client, ghost.item)
  end
  return true
end

--- Asks by hand: the server then says more than it would unasked.
---@return boolean is_done false when nothing can be asked here
function M.trigger()
  local client = client_here()
  if not client then
    return false
  end
  dismissed = nil
  ask(client, INVOKED, 0)
  return true
end

--- Goes on by `step` suggestions, asking for more where there is only one.
---@param step integer
---@return boolean is_done false when there is no ghost text
function M.cycle(step)
  local client = client_here()
  if not client or not offered or not standing() then
    return false
  end
  if #offered.ghosts > 1 then
    offered.index = (offered.index - 1 + step) % #offered.ghosts + 1
    show()
  else
    ask(client, INVOKED, step)
  end
  return true
end

--- The ghost text on the screen, for other plugins: nil when there is none.
---@return string?
function M.visible()
  return drawn and drawn.rest or nil
end

--- Takes the keys in `buf`.
---@param buf integer
function M.attach(buf)
  keys.map(buf, 'accept', M.accept)
  keys.map(buf, 'accept_word', M.accept_word)
  keys.map(buf, 'accept_line', M.accept_line)
  keys.map(buf, 'dismiss', M.dismiss)
  keys.map(buf, 'trigger', M.trigger)
  keys.map(buf, 'next', function()
    return M.cycle(1)
  end)
  keys.map(buf, 'previous', function()
    return M.cycle(-1)
  end)
  if buf == api.nvim_get_current_buf() then
    M.refresh()
  end
end

--- Watches every buffer; those without the server cost one look.
function M.start()
  draw.set_highlight()
  local group = api.nvim_create_augroup('ghostline.frame', {})
  local function on(events, callback, pattern)
    api.nvim_create_autocmd(events, { group = group, callback = callback, pattern = pattern })
  end
  on({ 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, update)
  -- Not yet in insert mode, or not yet where the cursor will be.
  on('ModeChanged', vim.schedule_wrap(M.refresh), '[^i]*:i*')
  on({ 'BufEnter', 'WinEnter' }, vim.schedule_wrap(update))
  on('ModeChanged', function()
    dismissed = nil
    stop()
  end, 'i*:[^i]*')
  on({ 'BufLeave', 'WinLeave' }, stop)
  on('ColorScheme', draw.set_highlight)
  on('LspDetach', function(event)
    if offered and offered.ghosts[1].client_id == event.data.client_id then
      clear()
    end
  end)
  menu.watch(group, update)
end

return M
