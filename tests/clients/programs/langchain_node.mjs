// LangChain for Node: `langchain_node.mjs chat|responses MODEL PROMPT greeting|task`.
import { readFileSync } from "node:fs";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const [surface, model, prompt, task] = process.argv.slice(2);
const chat = new ChatOpenAI({
  model,
  useResponsesApi: surface === "responses",
  configuration: { baseURL: process.env.OPENAI_BASE_URL },
});
const read = tool(({ path }) => readFileSync(path, "utf8"), {
  name: "read_file",
  description: "Read a file",
  schema: z.object({ path: z.string() }),
});
const messages = [new HumanMessage(prompt)];
for (;;) {
  let whole;
  for await (const chunk of await chat.bindTools([read]).stream(messages)) {
    process.stdout.write(chunk.text);
    whole = whole ? whole.concat(chunk) : chunk;
  }
  if (!whole.tool_calls.length) break;
  messages.push(whole);
  for (const call of whole.tool_calls) {
    messages.push(new ToolMessage({ content: await read.invoke(call.args), tool_call_id: call.id }));
  }
}
if (task === "greeting") console.log(`\n${(await chat.invoke(prompt)).text}`);
