import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporalTarget } from '../../src/worker/connection';
import { NoTemporalError } from '../../src/worker/no-temporal';

let file: string;
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'segue-profile-')), 'temporal.toml');
  writeFileSync(file, '[profile.default]\naddress = "a.default:1"\n[profile.ci]\naddress = "a.ci:2"\nnamespace = "models"\napi_key = "hush"\n');
});
afterEach(() => rmSync(join(file, '..'), { recursive: true }));

test('as the temporal command line: the default profile, then the environment, then what a person typed', () => {
  expect(temporalTarget({}, { TEMPORAL_CONFIG_FILE: file })).toMatchObject({ address: 'a.default:1', namespace: 'default' });
  expect(temporalTarget({}, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'ci' })).toMatchObject({ address: 'a.ci:2', namespace: 'models', connection: { apiKey: 'hush', tls: true } });
  expect(temporalTarget({}, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'ci', TEMPORAL_ADDRESS: 'a.env:3' })).toMatchObject({ address: 'a.env:3', namespace: 'models' });
  expect(temporalTarget({ address: 'typed:4', profile: 'ci' }, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_ADDRESS: 'a.env:3' })).toMatchObject({ address: 'typed:4', namespace: 'models' });
});

test('without anything: the address and namespace everybody uses', () => {
  expect(temporalTarget({}, { TEMPORAL_CONFIG_FILE: '/nowhere.toml' })).toEqual({ address: 'localhost:7233', namespace: 'default', connection: {} });
});

test('a profile that is not there is told, not replaced by the default', () => {
  expect(() => temporalTarget({ profile: 'missing' }, { TEMPORAL_CONFIG_FILE: file })).toThrow(NoTemporalError);
});
