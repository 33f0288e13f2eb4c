// Started by the server for every model file before it is deployed: imports the file, without
// loading the model, and prints what it takes. A process of its own, so that a model's code never
// runs inside the server.

import { writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { REPORTS_VARIABLE } from './protocol.ts';
import { type ModelKind, kindOf, loadModel } from './load-model.ts';
import { checksOf, jsonSchemaOf } from './schema.ts';

/**
 * What the process prints: what the model takes, with its schemas where it has them as JSON Schema;
 * or why it cannot be used.
 */
export type Inspection =
  | { readonly kind: ModelKind; readonly inputSchema?: object; readonly outputSchema?: object }
  | { readonly error: string };

async function inspect(file: string): Promise<Inspection> {
  try {
    const model = await loadModel(file);
    await checksOf(model).catch((cause: Error) => {
      throw new Error(`${file}: ${cause.message}`, { cause });
    });
    const [inputSchema, outputSchema] = [await jsonSchemaOf(model, 'input'), await jsonSchemaOf(model, 'output')];
    return {
      kind: kindOf(model),
      ...(inputSchema !== null && { inputSchema }),
      ...(outputSchema !== null && { outputSchema }),
    };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const descriptor = Number(process.env[REPORTS_VARIABLE] ?? 1);
const said = `\n${JSON.stringify(await inspect(process.argv[2]!))}\n`;
// The server ends this process once it has the answer, which may be before Node writes down by
// itself what it has compiled.
flushCompileCache();
// Waits until all of it is taken; where it cannot be written, the error ends the process, and says
// why.
writeFileSync(descriptor, said.slice(descriptor === 1 ? 0 : 1));
// A model file may have started timers or workers when it was imported: the answer is out, so
// nothing of that is waited for.
process.exit(0);
