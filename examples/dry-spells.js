/**
 * The longest dry spells of two cities.
 *
 * Shows: the function form, parameters first; and work that is easier in JavaScript than in SQL. A
 * script of this form declares by named exports.
 *
 *   kiln analysis run dry-spells
 */
export const title = 'Dry spells'
export const dependencies = { datasources: ['weather'] }
export const parameters = {
  threshold: { type: 'number', description: 'mm of rain a dry day may have', default: 0, min: 0 },
}

export default async function analyze(params, ctx) {
  const days = await ctx.datasource.weather.query(
    `select location, date, precipitation from weather order by location, date`,
  )
  ctx.log(`${days.length} days of weather`)

  const longest = new Map()
  let spell
  for (const { location, date, precipitation } of days) {
    if (precipitation > params.threshold || spell?.location !== location) spell = undefined
    if (precipitation > params.threshold) continue
    spell ??= { location, days: 0, first_day: date }
    spell.days += 1
    spell.last_day = date
    if (spell.days > (longest.get(location)?.days ?? 0)) longest.set(location, { ...spell })
  }
  return [...longest.values()]
}
