-- A language server inside Neovim that says what the test wants: `_G.script` holds its lines and what it was sent.
-- Where the real server stands, `cmd` is a function (`vim.lsp.rpc`).

local script = {
  -- What may follow `prefix` on the line: the texts of the items, or vim.NIL for an answer of null.
  prefix = '',
  texts = {},
  -- How many characters right of the cursor an item replaces.
  replaced = 0,
  -- Names the suggestion.
  id = 'a',
  encoding = _G.encoding or 'utf-16',
  -- The answer to a request is kept until `release()`.
  is_held = false,
  held = {},
  -- Everything the client sent: { method, params }.
  sent = {},
}
_G.script = script

function script.release()
  local held = script.held
  script.held = {}
  for _, answer in ipairs(held) do
    answer()
  end
end

--- The parameters of the last message of `method`.
function script.last(method)
  for index = #script.sent, 1, -1 do
    if script.sent[index][1] == method then
      return script.sent[index][2]
    end
  end
  return vim.NIL
end

function script.count(method)
  return #vim.tbl_filter(function(message)
    return message[1] == method
  end, script.sent)
end

local function suggestions(params)
  if script.texts == vim.NIL then
    return nil
  end
  local buf = vim.uri_to_bufnr(params.textDocument.uri)
  local row = params.position.line
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1]
  local col = vim.str_byteindex(line, script.encoding, params.position.character)
  local items = {}
  for index, text in ipairs(script.texts) do
    local typed = line:sub(#script.prefix + 1, col)
    if vim.startswith(line, script.prefix) and vim.startswith(text, typed) and col >= #script.prefix then
      local last = vim.str_utfindex(line, script.encoding, math.min(col + script.replaced, #line))
      items[#items + 1] = {
        insertText = text:sub(#typed + 1),
        range = { start = params.position, ['end'] = { line = row, character = last } },
        command = { title = 'accepted', command = 'ghostline.accepted', arguments = { script.id .. index } },
      }
    end
  end
  return { items = items }
end

local function answer_to(method, params)
  if method == 'initialize' then
    return {
      capabilities = {
        positionEncoding = script.encoding,
        textDocumentSync = { openClose = true, change = 2 },
        inlineCompletionProvider = true,
        executeCommandProvider = { commands = { 'ghostline.accepted' } },
      },
    }
  elseif method == 'ghostline/status' then
    return { state = 'ready', enabled = true, medianLatencyMs = 1.44, shown = 0, accepted = 0 }
  elseif method == 'textDocument/inlineCompletion' then
    return suggestions(params)
  end
end

local function serve(dispatchers)
  local last_id, is_closing = 0, false
  local function close()
    if not is_closing then
      is_closing = true
      dispatchers.on_exit(0, 0)
    end
  end
  return {
    request = function(method, params, callback, replied)
      last_id = last_id + 1
      local id = last_id
      table.insert(script.sent, { method, params })
      local result = answer_to(method, params)
      local function answer()
        vim.schedule(function()
          if replied then
            replied(id)
          end
          callback(nil, result, id)
        end)
      end
      if script.is_held and method == 'textDocument/inlineCompletion' then
        table.insert(script.held, answer)
      else
        answer()
      end
      return true, id
    end,
    notify = function(method, params)
      table.insert(script.sent, { method, params })
      if method == 'exit' then
        close()
      end
      return true
    end,
    is_closing = function()
      return is_closing
    end,
    terminate = close,
  }
end

vim.lsp.config('ghostline', { cmd = serve })
