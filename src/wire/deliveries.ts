// What was told of a run's end, as it travels.

import { type Static, Type } from 'typebox';
import { CallbackEvent } from './invoke.ts';
import { RunLine } from './runs.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ description: 'RFC 3339, UTC.' });

/** One attempt at a delivery. */
export const DeliveryAttemptBody = Type.Object({
  attempt: Type.Integer(),
  started_at: Time,
  finished_at: Nullable(Type.String({ description: 'Null while it is on its way, and where it was cut off.' })),
  status: Nullable(Type.Integer({ description: 'What the receiver answered; null where it did not.' })),
  latency_seconds: Nullable(Type.Number()),
  detail: Nullable(Type.String({ description: 'What it said, or what went wrong: 256 characters at the most.' })),
});

/** A webhook about a run's end. */
export const DeliveryBody = Type.Object({
  delivery_id: Type.String({ description: 'The `webhook-id`, the same in every attempt.' }),
  event: CallbackEvent,
  url: Type.String(),
  status: Type.Enum(['pending', 'delivered', 'abandoned']),
  created_at: Time,
  next_attempt_at: Nullable(Type.String({ description: 'Null once nobody tries again by itself.' })),
  attempts: Type.Array(DeliveryAttemptBody),
});
/** See the schema of the same name. */
export type DeliveryBody = Static<typeof DeliveryBody>;

/** Every delivery of a run; there is none before its end. */
export const DeliveryList = Type.Object({ deliveries: Type.Array(DeliveryBody) });
/** See the schema of the same name. */
export type DeliveryList = Static<typeof DeliveryList>;

/** What a webhook says, as Standard Webhooks has it: the event, and the run without its outputs. */
export const WebhookBody = Type.Object({
  type: CallbackEvent,
  timestamp: Type.String({ description: 'When the run ended: RFC 3339, UTC.' }),
  data: RunLine,
});
