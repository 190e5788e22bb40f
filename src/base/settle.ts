import { checkNames } from './call-options.ts';
import { ConfigError } from './errors.ts';
import { checkRelations } from './option-relations.ts';
import { OPTIONS, type Option } from './option-table.ts';
import type { SchedulerOptions, Settings } from './options.ts';

/**
 * Options with every default filled in.
 * @throws ConfigError naming the option that is wrong, its value and what is allowed; of several the first of the
 *   table; or a pair of options that do not go together, see option-relations.ts
 */
export function settle<Request, Output>(
  options: SchedulerOptions<Request, Output>,
): Settings<Request, Output> {
  checkNames('Scheduler.start', options, Object.keys(OPTIONS));
  for (const [name, value] of Object.entries(options))
    if (value === null) throw new ConfigError(name, value, 'a value, or nothing for the default');
  const settled: Record<string, unknown> = {};
  const soFar = settled as Settings<unknown, unknown>;
  for (const [name, option] of Object.entries<Option<unknown>>(OPTIONS)) {
    const given = options[name as keyof SchedulerOptions];
    settled[name] = option.kind.check(name, given ?? option.default.of(soFar));
  }
  checkRelations(soFar, options);
  return settled as Settings<Request, Output>;
}
