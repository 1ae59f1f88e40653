-- The process `edgemind complete --stdio`: JSON-RPC 2.0 over its standard input and output.
-- Not for: what is shown (edgemind.lua).

local M = {}
local Client = {}
Client.__index = Client

--- Start the command.
-- @param command list of words
-- @param on_exit called with the exit code and the last words on standard error
-- @return the client, or nil and why not
function M.start(command, on_exit)
  local self = setmetatable({ buffer = "", waiting = {}, id = 0, errors = "" }, Client)
  local ok, job = pcall(vim.fn.jobstart, command, {
    on_stdout = function(_, data)
      self:_read(table.concat(data, "\n"))
    end,
    on_stderr = function(_, data)
      self.errors = (self.errors .. table.concat(data, "\n")):sub(-2000)
    end,
    on_exit = function(_, code)
      self.job = nil
      self.waiting = {}
      on_exit(code, self.errors)
    end,
  })
  if not ok or job <= 0 then
    return nil, command[1] .. " cannot be started"
  end
  self.job = job
  return self
end

--- Ask; `answer` is called with an error (or nil) and the result.
function Client:request(method, params, answer)
  if not self.job then
    return nil
  end
  self.id = self.id + 1
  self.waiting[self.id] = answer
  self:_send({ jsonrpc = "2.0", id = self.id, method = method, params = params })
  return self.id
end

--- Give up a request; its answer is not wanted any more.
function Client:cancel(id)
  if self.job and self.waiting[id] then
    self.waiting[id] = nil
    self:_send({ jsonrpc = "2.0", method = "cancel", params = { id = id } })
  end
end

--- Close its input, at which it ends.
function Client:stop()
  self.stopped = true
  if self.job then
    vim.fn.chanclose(self.job, "stdin")
  end
end

function Client:_send(message)
  local body = vim.json.encode(message)
  -- A process that has just ended is told about by on_exit.
  pcall(vim.fn.chansend, self.job, "Content-Length: " .. #body .. "\r\n\r\n" .. body)
end

function Client:_read(data)
  self.buffer = self.buffer .. data
  while true do
    local _, head, length = self.buffer:find("^Content%-Length: (%d+)\r\n\r\n")
    if not head or #self.buffer < head + tonumber(length) then
      return
    end
    local body = self.buffer:sub(head + 1, head + tonumber(length))
    self.buffer = self.buffer:sub(head + tonumber(length) + 1)
    local ok, message = pcall(vim.json.decode, body, { luanil = { object = true } })
    local answer = ok and message.id and self.waiting[message.id]
    if answer then
      self.waiting[message.id] = nil
      answer(message.error, message.result)
    end
  end
end

return M
