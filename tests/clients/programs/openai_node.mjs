// The OpenAI SDK for Node: `openai_node.mjs chat|responses MODEL PROMPT greeting|task`.
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const [surface, model, prompt, task] = process.argv.slice(2);
const client = new OpenAI();
const parameters = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const read = { name: "read_file", description: "Read a file", parameters };
const opened = (text) => readFileSync(JSON.parse(text).path, "utf8");

async function chat() {
  const messages = [{ role: "user", content: prompt }];
  for (;;) {
    const stream = client.chat.completions.stream({ model, messages, tools: [{ type: "function", function: read }] });
    stream.on("content", (delta) => process.stdout.write(delta));
    const { message } = (await stream.finalChatCompletion()).choices[0];
    if (!message.tool_calls?.length) return;
    messages.push(message);
    for (const call of message.tool_calls) {
      messages.push({ role: "tool", tool_call_id: call.id, content: opened(call.function.arguments) });
    }
  }
}

async function responses() {
  let input = [{ role: "user", content: prompt }];
  for (;;) {
    const stream = client.responses.stream({ model, input, store: false, tools: [{ type: "function", strict: false, ...read }] });
    stream.on("response.output_text.delta", (event) => process.stdout.write(event.delta));
    const final = await stream.finalResponse();
    const calls = final.output.filter((item) => item.type === "function_call");
    if (!calls.length) return;
    input = [...input, ...final.output];
    for (const call of calls) {
      input.push({ type: "function_call_output", call_id: call.call_id, output: opened(call.arguments) });
    }
  }
}

await (surface === "chat" ? chat() : responses());
if (task === "greeting") {
  const text =
    surface === "chat"
      ? (await client.chat.completions.create({ model, messages: [{ role: "user", content: prompt }] })).choices[0].message.content
      : (await client.responses.create({ model, input: prompt })).output_text;
  console.log(`\n${text}`);
}
