// ServerCore's version labels: the whole map is checked, then swapped, before any load (reference §2 step 6, §8).

import type { ModelConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import type { ServableStateMonitor } from './monitor';
import { ServingError } from './status';

export class VersionLabels {
  #byModel = new Map<string, ReadonlyMap<string, bigint>>();

  /** Labels that are not listed vanish. A refused label leaves the old map in place. */
  update(models: readonly ModelConfig[], monitor: ServableStateMonitor, allowUnavailable: boolean): void {
    const next = new Map<string, ReadonlyMap<string, bigint>>();
    for (const { name, versionLabels } of models) {
      const labels = new Map(Object.entries(versionLabels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
      for (const [label, version] of labels) {
        const before = this.#byModel.get(name)?.get(label);
        // The flag lets new labels point anywhere; moving one to an unavailable version is refused all the same (s131).
        const mayPointAnywhere = allowUnavailable && (before === undefined || before === version);
        if (mayPointAnywhere || monitor.state({ name, version })?.state === 'Available') continue;
        throw new ServingError('FAILED_PRECONDITION',
          `Request to assign label to version ${version} of model ${name}, which is not currently available for inference`);
      }
      next.set(name, labels);
    }
    this.#byModel = next;
  }

  versionOf(name: string, label: string): bigint {
    const version = this.#byModel.get(name)?.get(label);
    if (version === undefined) throw new ServingError('INVALID_ARGUMENT', `Unrecognized servable version label: ${label}`);
    return version;
  }
}
