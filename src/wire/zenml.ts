// What an endpoint with `face: 'zenml'` answers: the shapes of ZenML's pipeline deployments.

import { type Static, Type } from 'typebox';
import { RunBody } from './runs.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

/** A run that was waited for, however it has ended. */
const ZenmlRunBody = Type.Object(
  {
    success: Type.Boolean(),
    outputs: Nullable(Type.Record(Type.String(), Type.Unknown())),
    execution_time: Type.Number({ description: 'Seconds from the start of the first attempt to the end.' }),
    metadata: Type.Object({
      deployment_id: Type.String({ description: 'A UUID made of the name of the endpoint.' }),
      deployment_name: Type.String(),
      snapshot_id: Type.String({ description: 'A UUID made of the name of the endpoint and its version.' }),
      snapshot_name: Type.String({ description: 'The version.' }),
      pipeline_name: Type.String(),
      run_id: Type.String(),
      run_index: Type.Integer({ description: 'Rises with every run of the ledger.' }),
      run_name: Nullable(Type.String()),
      parameters_used: Type.Record(Type.String(), Type.Unknown()),
    }),
    error: Nullable(Type.String()),
  },
  { description: "The answer of an endpoint with `face: 'zenml'`: 200 also for a run that failed." },
);

/** The answer to a caller that waited for a run. */
export const InvokedBody = Type.Union([RunBody, ZenmlRunBody]);

/** What is wrong with a request. */
export const ZenmlMistakesBody = Type.Object({
  detail: Type.Array(
    Type.Object({
      type: Type.String(),
      loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
      msg: Type.String(),
    }),
  ),
});
/** See the schema of the same name. */
export type ZenmlMistakesBody = Static<typeof ZenmlMistakesBody>;

/** Why a request without a valid key was refused. */
export const ZenmlRefusalBody = Type.Object({ detail: Type.String() });
/** See the schema of the same name. */
export type ZenmlRefusalBody = Static<typeof ZenmlRefusalBody>;

/** An endpoint as a deployment. */
export const ZenmlInfoBody = Type.Object({
  deployment: Type.Object({ id: Type.String(), name: Type.String(), auth_enabled: Type.Boolean() }),
  snapshot: Type.Object({ id: Type.String(), name: Type.String() }),
  pipeline: Type.Object({
    name: Type.String(),
    parameters: Type.Null(),
    input_schema: Nullable(Type.Object({})),
    output_schema: Nullable(Type.Object({})),
  }),
  app: Type.Record(Type.String(), Type.String(), { description: 'The paths of everything else.' }),
  total_executions: Type.Integer({ description: 'Calls and batches that this server has ended since its start.' }),
  last_execution_time: Nullable(Type.String({ description: 'RFC 3339, UTC.' })),
  status: Type.Literal('healthy'),
  uptime: Type.Number({ description: 'Seconds.' }),
});
/** See the schema of the same name. */
export type ZenmlInfoBody = Static<typeof ZenmlInfoBody>;
