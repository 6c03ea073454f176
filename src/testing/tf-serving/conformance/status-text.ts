// GetModelStatus as the recordings print it: protobuf's debug text on one line.

import { ModelVersionStatus_State as State } from '../../../proto/gen/tensorflow_serving/apis/get_model_status_pb';
import { statusesOf } from '../model-service';
import type { ServableStateMonitor } from '../monitor';
import { CODE_NAMES } from '../status';

export function statusProtoText(monitor: ServableStateMonitor, model: string, version?: bigint): string {
  return statusesOf(monitor, model, version).map(({ version: number, state, status }) => {
    const error = status === undefined || status.errorCode === 0 ? '' : `error_code: ${CODE_NAMES[status.errorCode]} error_message: "${escaped(status.errorMessage)}" `;
    return `model_version_status { version: ${number} state: ${State[state]} status { ${error}} }`;
  }).join(' ');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll("'", "\\'").replaceAll('\n', '\\n');
}
