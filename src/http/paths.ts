// The paths that answers point to. Bodies have them with what stands before the server's own paths
// (`request.base`); the `Location` header gets it when it is sent.

/** A run. */
export const runPath = (runId: string): string => `/runs/${runId}`;
/** A run's output. */
export const outputPath = (runId: string): string => `${runPath(runId)}/output`;
/** What happens to a run. */
export const eventsPath = (runId: string): string => `${runPath(runId)}/events`;
/** The parts of a batch. */
export const partsPath = (runId: string): string => `${runPath(runId)}/parts`;
/** What a run's model wrote. */
export const logsPath = (runId: string): string => `${runPath(runId)}/logs`;
/** What was told of a run. */
export const deliveriesPath = (runId: string): string => `${runPath(runId)}/deliveries`;
/** A run's cancellation. */
export const cancelPath = (runId: string): string => `${runPath(runId)}/cancel`;
/** A batch run's chunks. */
export const chunksPath = (runId: string): string => `/runs?parent_id=${runId}`;

/** Which capture a path leads to. */
interface CapturePath {
  readonly endpoint: string;
  readonly name: string;
  readonly version: number;
}

const underCapture = ({ endpoint, name, version }: CapturePath, part: string): string =>
  `/endpoints/${endpoint}/captures/${name}${part}?version=${version}`;

/** Where a capture is. */
export const capturePath = (capture: CapturePath): string => underCapture(capture, '');
/** Where the predictions of a capture are. */
export const capturePredictionsPath = (capture: CapturePath): string => underCapture(capture, '/predictions');
/** Where the ids of a capture's predictions are. */
export const captureIdsPath = (capture: CapturePath): string => underCapture(capture, '/ids');
