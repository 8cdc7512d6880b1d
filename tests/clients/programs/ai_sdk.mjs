// The Vercel AI SDK: `ai_sdk.mjs chat|responses MODEL PROMPT greeting|task`.
import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

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
  stopWhen: isStepCount(4),
  onError: ({ error }) => (failed = error),
});
for await (const piece of textStream) process.stdout.write(piece);
if (failed) throw failed;
if (task === "greeting") console.log(`\n${(await generateText({ model, prompt })).text}`);
