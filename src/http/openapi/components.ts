// The shapes that the document names once. Wherever one of them stands in another, the document
// points to it.

import type { TSchema } from 'typebox';
import { CaptureBody, CaptureLine, CapturePage, ClassificationBody, RegressionBody } from '../../wire/captures.ts';
import { DeliveryAttemptBody, DeliveryBody, DeliveryList, WebhookBody } from '../../wire/deliveries.ts';
import { EndpointBody, EndpointList, PurgeBody, WarmRequest } from '../../wire/endpoints.ts';
import { BatchChoice, InvokeEnvelope } from '../../wire/invoke.ts';
import { LogLineBody } from '../../wire/logs.ts';
import { ProblemBody } from '../../wire/problems.ts';
import { AttemptBody, OutputFacts, RunBody, RunFailureBody, RunLine, RunPage, RunStatus } from '../../wire/runs.ts';
import { RollbackRequest, VersionBody, VersionList } from '../../wire/versions.ts';

/** Schemas by the name that the document gives them. */
const COMPONENTS: Readonly<Record<string, TSchema>> = {
  Run: RunBody,
  RunLine,
  RunPage,
  RunStatus,
  RunFailure: RunFailureBody,
  Attempt: AttemptBody,
  Output: OutputFacts,
  InvokeEnvelope,
  BatchChoice,
  LogLine: LogLineBody,
  Delivery: DeliveryBody,
  DeliveryAttempt: DeliveryAttemptBody,
  DeliveryList,
  Capture: CaptureBody,
  CaptureLine,
  CapturePage,
  Regression: RegressionBody,
  Classification: ClassificationBody,
  Endpoint: EndpointBody,
  EndpointList,
  Version: VersionBody,
  VersionList,
  WarmRequest,
  RollbackRequest,
  PurgeResult: PurgeBody,
  Webhook: WebhookBody,
  Problem: ProblemBody,
};

const NAMES = new Map<unknown, string>(Object.entries(COMPONENTS).map(([name, schema]) => [schema, name]));

/** A schema as the document has it: plain JSON, with named shapes pointed to. */
export function schemaInDocument(schema: unknown): unknown {
  const name = NAMES.get(schema);
  return name === undefined ? copied(schema) : { $ref: `#/components/schemas/${name}` };
}

/** The named shapes themselves. */
export function schemasOfComponents(): Record<string, unknown> {
  return Object.fromEntries(Object.entries(COMPONENTS).map(([name, schema]) => [name, copied(schema)]));
}

function copied(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schemaInDocument);
  if (typeof schema !== 'object' || schema === null) return schema;
  // What begins with a tilde is typebox's own.
  const members = Object.entries(schema).filter(([name]) => !name.startsWith('~'));
  return Object.fromEntries(members.map(([name, value]) => [name, schemaInDocument(value)]));
}
