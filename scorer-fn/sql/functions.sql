-- What scorer-fn asks the database, planned once per server session instead of at each
-- request: run this and set DATABASE_FUNCTIONS=on. Written by
-- `cargo run -p scorer-fn --example functions`. Safe to run again; to undo it, unset the
-- variable, then DROP SCHEMA scorer_fn_1 CASCADE.

BEGIN;

CREATE SCHEMA IF NOT EXISTS scorer_fn_1;
-- The functions do what their caller may do, and nothing else.
GRANT USAGE ON SCHEMA scorer_fn_1 TO PUBLIC;

CREATE OR REPLACE FUNCTION scorer_fn_1.read(jsonb) RETURNS TABLE (
    key_id varchar, hashed_key varchar, hashed_key_sha256 varchar, rate_limit varchar,
    community_id bigint, rule varchar, scorer_type varchar, weighted text[], binary_weighted text[],
    is_custom boolean, lists text, credentials_of_its_own text,
    passport_id bigint, score text[], stored text, providers varchar[], credentials text[], links text)
LANGUAGE plpgsql STABLE SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $function$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH api_key AS MATERIALIZED (
       SELECT id, hashed_key, hashed_key_sha256, rate_limit, account_id
         FROM account_accountapikey WHERE prefix = $1::jsonb ->> 'prefix'),
     community AS MATERIALIZED (
       SELECT id, rule, scorer_id
         FROM account_community
        WHERE account_id = (SELECT account_id FROM api_key)
          AND (external_scorer_id = $1::jsonb ->> 'scorer' OR id = ($1::jsonb ->> 'number')::bigint)
        ORDER BY external_scorer_id IS NOT DISTINCT FROM $1::jsonb ->> 'scorer' DESC
        LIMIT 1),
     passport AS MATERIALIZED (
       SELECT id FROM registry_passport
        WHERE address = $1::jsonb ->> 'address' AND community_id = (SELECT id FROM community)),
     stamps AS MATERIALIZED (
       SELECT DISTINCT ON (provider) provider, stamp, stamp -> 'credentialSubject' AS subject
         FROM ceramic_cache_ceramiccache c
        WHERE address = $1::jsonb ->> 'address' AND deleted_at IS NULL
          AND (SELECT id FROM ceramic_cache_revocation WHERE ceramic_cache_id = c.id) IS NULL
        ORDER BY provider, updated_at DESC, id DESC)
SELECT k.id AS key_id, k.hashed_key, k.hashed_key_sha256, k.rate_limit, c.id AS community_id, c.rule,
       (SELECT type FROM scorer_weighted_scorer WHERE id = c.scorer_id) AS scorer_type,
       (SELECT ARRAY[threshold::text, weights::text] FROM scorer_weighted_weightedscorer
         WHERE scorer_ptr_id = c.scorer_id) AS weighted,
       (SELECT ARRAY[threshold::text, weights::text] FROM scorer_weighted_binaryweightedscorer
         WHERE scorer_ptr_id = c.scorer_id) AS binary_weighted,
       EXISTS (SELECT FROM account_customization WHERE scorer_id = c.id) AS is_custom,
       (SELECT json_agg(json_build_array('AllowList#' || (SELECT name FROM account_addresslist
                                                            WHERE id = a.address_list_id), a.weight::text)
                        ORDER BY a.id)
          FROM account_allowlist a
         WHERE a.customization_id = (SELECT id FROM account_customization WHERE scorer_id = c.id))::text AS lists,
       (SELECT json_agg(json_build_array((SELECT provider_id FROM account_customcredentialruleset
                                           WHERE id = d.ruleset_id), d.weight::text)
                        ORDER BY d.id)
          FROM account_customcredential d
         WHERE d.customization_id = (SELECT id FROM account_customization WHERE scorer_id = c.id))::text
         AS credentials_of_its_own,
       (SELECT id FROM passport) AS passport_id,
       (SELECT ARRAY[id::text, xmin::text] FROM registry_score
         WHERE passport_id = (SELECT id FROM passport)) AS score,
       (SELECT json_agg(json_build_array(o.id, (SELECT n.provider FROM stamps n
                                                 WHERE n.provider = o.provider AND n.stamp = o.credential))
                        ORDER BY o.id)
          FROM registry_stamp o WHERE o.passport_id = (SELECT id FROM passport))::text AS stored,
       ARRAY(SELECT provider FROM stamps) AS providers,
       ARRAY(SELECT stamp::text FROM stamps) AS credentials,
       (SELECT json_agg(json_build_array(id, hash, address, (extract(epoch FROM expires_at) * 1000000)::bigint))
          FROM registry_hashscorerlink
         WHERE community_id + 0 = c.id
           AND hash = ANY (ARRAY(
               SELECT n #>> '{}'
                 FROM stamps,
                      jsonb_path_query(jsonb_build_array(subject -> 'hash', subject -> 'nullifiers'), '$[*][*]') n)))::text
         AS links
  FROM api_key k LEFT JOIN community c ON true;
END
$function$;

CREATE OR REPLACE FUNCTION scorer_fn_1.write_first(jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $function$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH given AS MATERIALIZED (
       SELECT * FROM jsonb_to_record($1::jsonb) AS t (
              address text, community bigint, now timestamptz, passport bigint, score bigint, version xid,
              stored bigint[], gone bigint[], added jsonb, created jsonb, held jsonb, deduplicated jsonb, fresh jsonb,
              fields jsonb)),
     fresh AS MATERIALIZED (
       SELECT f.* FROM given, jsonb_to_record(given.fresh) AS f (
              score numeric, status text, error text, evidence jsonb, stamp_scores jsonb, stamps jsonb,
              expiration_date timestamptz, last_score_timestamp timestamptz)),
     free AS MATERIALIZED (
       SELECT l.id, h.expires
         FROM given, jsonb_to_recordset(given.held) AS h (id bigint, expires timestamptz), registry_hashscorerlink l
        WHERE l.id = h.id AND (l.address = given.address OR l.expires_at <= given.now)
        ORDER BY l.id FOR NO KEY UPDATE OF l),
     made AS (
       INSERT INTO registry_passport (address, community_id)
       SELECT given.address, given.community FROM given WHERE given.passport IS NULL AND (SELECT count(*) FROM free) = (SELECT jsonb_array_length(held) FROM given)
       ON CONFLICT (address, community_id) DO NOTHING RETURNING id),
     scored AS (
       INSERT INTO registry_score (passport_id, score, status, error, evidence, stamp_scores, stamps,
                                   expiration_date, last_score_timestamp)
       SELECT p.id, fresh.score, fresh.status, fresh.error, fresh.evidence, fresh.stamp_scores, fresh.stamps,
              fresh.expiration_date, fresh.last_score_timestamp
         FROM fresh, (SELECT id FROM made
                    UNION ALL
                    SELECT given.passport FROM given WHERE given.passport IS NOT NULL AND (SELECT count(*) FROM free) = (SELECT jsonb_array_length(held) FROM given)) p
       ON CONFLICT (passport_id) DO NOTHING RETURNING id, passport_id),
     stamps_gone AS (
       DELETE FROM registry_stamp t USING given, scored WHERE t.id = ANY (given.gone)),
     stamps_added AS (
       INSERT INTO registry_stamp (passport_id, provider, credential)
       SELECT scored.passport_id, a.provider, a.credential
         FROM scored, given, jsonb_to_recordset(given.added) AS a (provider text, credential jsonb)),
     links_created AS (
       INSERT INTO registry_hashscorerlink (hash, community_id, address, expires_at)
       SELECT c.hash, given.community, c.address, c.expires
         FROM scored, given, jsonb_to_recordset(given.created) AS c (hash text, address text, expires timestamptz)
        ORDER BY c.hash),
     links_held AS (
       UPDATE registry_hashscorerlink l SET address = given.address, expires_at = free.expires
         FROM scored, given, free WHERE l.id = free.id),
     deduplicated AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'LDP', given.address, given.now, d.value, given.community
         FROM scored, given, jsonb_array_elements(given.deduplicated) AS d (value)),
     announced AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'SCU', given.address, given.now,
              jsonb_build_object('model', 'registry.score', 'pk', scored.id,
                                 'fields', given.fields || jsonb_build_object('passport', scored.passport_id)),
              given.community
         FROM scored, given WHERE given.fields IS NOT NULL)
SELECT count(*) AS scored FROM scored;
END
$function$;

CREATE OR REPLACE FUNCTION scorer_fn_1.write_again(jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $function$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH given AS MATERIALIZED (
       SELECT * FROM jsonb_to_record($1::jsonb) AS t (
              address text, community bigint, now timestamptz, passport bigint, score bigint, version xid,
              stored bigint[], gone bigint[], added jsonb, created jsonb, held jsonb, deduplicated jsonb, fresh jsonb,
              fields jsonb)),
     fresh AS MATERIALIZED (
       SELECT f.* FROM given, jsonb_to_record(given.fresh) AS f (
              score numeric, status text, error text, evidence jsonb, stamp_scores jsonb, stamps jsonb,
              expiration_date timestamptz, last_score_timestamp timestamptz)),
     free AS MATERIALIZED (
       SELECT l.id, h.expires
         FROM given, jsonb_to_recordset(given.held) AS h (id bigint, expires timestamptz), registry_hashscorerlink l
        WHERE l.id = h.id AND (l.address = given.address OR l.expires_at <= given.now)
        ORDER BY l.id FOR NO KEY UPDATE OF l),
     known AS MATERIALIZED (
       SELECT s.id FROM registry_score s, given
        WHERE s.id = given.score AND s.xmin = given.version
          AND given.stored = ARRAY(SELECT t.id FROM registry_stamp t
                                    WHERE t.passport_id = (SELECT passport FROM given) ORDER BY t.id)
          AND (SELECT count(*) FROM free) = (SELECT jsonb_array_length(held) FROM given)
          FOR NO KEY UPDATE OF s SKIP LOCKED),
     scored AS (
       UPDATE registry_score s
          SET score = fresh.score, status = fresh.status, error = fresh.error, evidence = fresh.evidence,
              stamp_scores = fresh.stamp_scores, stamps = fresh.stamps, expiration_date = fresh.expiration_date,
              last_score_timestamp = fresh.last_score_timestamp
         FROM known, fresh WHERE s.id = known.id
       RETURNING s.id, s.passport_id),
     stamps_gone AS (
       DELETE FROM registry_stamp t USING given, scored WHERE t.id = ANY (given.gone)),
     stamps_added AS (
       INSERT INTO registry_stamp (passport_id, provider, credential)
       SELECT scored.passport_id, a.provider, a.credential
         FROM scored, given, jsonb_to_recordset(given.added) AS a (provider text, credential jsonb)),
     links_created AS (
       INSERT INTO registry_hashscorerlink (hash, community_id, address, expires_at)
       SELECT c.hash, given.community, c.address, c.expires
         FROM scored, given, jsonb_to_recordset(given.created) AS c (hash text, address text, expires timestamptz)
        ORDER BY c.hash),
     links_held AS (
       UPDATE registry_hashscorerlink l SET address = given.address, expires_at = free.expires
         FROM scored, given, free WHERE l.id = free.id),
     deduplicated AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'LDP', given.address, given.now, d.value, given.community
         FROM scored, given, jsonb_array_elements(given.deduplicated) AS d (value)),
     announced AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'SCU', given.address, given.now,
              jsonb_build_object('model', 'registry.score', 'pk', scored.id,
                                 'fields', given.fields || jsonb_build_object('passport', scored.passport_id)),
              given.community
         FROM scored, given WHERE given.fields IS NOT NULL)
SELECT count(*) AS scored FROM scored;
END
$function$;

CREATE OR REPLACE FUNCTION scorer_fn_1.note(jsonb) RETURNS SETOF boolean
LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $function$
#variable_conflict use_column
BEGIN
RETURN QUERY
INSERT INTO account_accountapikeyanalytics (created_at, path, api_key_id, error, headers, path_segments,
                                            payload, query_params, response, response_skipped, status_code)
SELECT g.now, g.path, g.api_key, g.error, g.headers, g.segments, g.payload, g.query, g.response, false, g.status
  FROM jsonb_to_record($1::jsonb) AS g (
       now timestamptz, path text, api_key text, error text, headers jsonb, segments jsonb, payload jsonb,
       query jsonb, response jsonb, status integer, address text, community bigint)
 WHERE g.address IS NULL
    OR EXISTS (SELECT FROM registry_event e
                WHERE e.action = 'SCU' AND e.address = g.address AND e.community_id = g.community
                  AND e.created_at = g.now)
RETURNING true;
END
$function$;

COMMIT;
