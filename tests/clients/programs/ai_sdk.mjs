// The Vercel AI SDK: `ai_sdk.mjs chat|responses MODEL PROMPT greeting|task`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const find = createRequire(join(process.env.ROOM, "package.json"));
const load = (name) => import(pathToFileURL(find.resolve(name)).href);
const { generateText, streamText, tool, stepCountIs, isStepCount } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { createOpenAI } = await load("@ai-sdk/openai");
const { z } = await load("zod");
const [surface, name, prompt, task] = process.argv.slice(2);
const where = { baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const model = surface === "chat" ? createOpenAICompatible({ name: "syntra", ...where })(name) : createOpenAI(where)(name);
const read_file = tool({
  description: "Read a file",
  inputSchema: z.object({ path: z.string() }),
  execute: async ({ path }) => readFileSync(path, "utf8"),
});
let failed;
const { textStream } = streamText({
  model,
  prompt,
  tools: { read_file },
  stopWhen: (isStepCount ?? stepCountIs)(4),
  onError: ({ error }) => (failed = error),
});
for await (const piece of textStream) process.stdout.write(piece);
if (failed) throw failed;
if (task === "greeting") console.log(`\n${(await generateText({ model, prompt })).text}`);
