// What a simulated model server tells about itself, over its own loopback page: what it counted, and the list it remembers.

import type { Stats } from '../../testing/tf-serving/stats';

export async function statsOf(url: string): Promise<Stats> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as Stats;
}

/** Version numbers of one model in the list the server remembers. */
export function listedVersions(stats: Pick<Stats, 'config'>, model: string): readonly string[] {
  const config = stats.config as { readonly model_config_list?: { readonly config?: readonly ModelConfig[] } };
  const found = config.model_config_list?.config?.find((one) => one.name === model);
  return (found?.model_version_policy?.specific?.versions ?? []).map(String);
}

interface ModelConfig {
  readonly name?: string;
  readonly model_version_policy?: { readonly specific?: { readonly versions?: readonly (string | number)[] } };
}
