local hs = {}
local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for i, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end

-- The status is of an older spec, or there is none yet (observedGeneration is -1 then).
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation or conditions["Ready"] == nil then
  hs.status = "Progressing"
  hs.message = "Waiting for the operator"
  return hs
end

local ready = conditions["Ready"]
hs.message = ready.message
if conditions["Stalled"] ~= nil and conditions["Stalled"].status == "True" then
  hs.status = "Degraded"
elseif ready.reason == "Suspended" then
  hs.status = "Suspended"
elseif ready.status == "True" then
  hs.status = "Healthy"
else
  hs.status = "Progressing"
end
return hs
