package stix

import "slices"

// The types of STIX 2.1 by their class.
var (
	sdoTypes = []string{
		"attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator",
		"infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data",
		"opinion", "report", "threat-actor", "tool", "vulnerability",
	}
	sroTypes  = []string{"relationship", "sighting"}
	metaTypes = []string{"marking-definition", "language-content", "extension-definition", "bundle"}
	scoTypes  = []string{
		"artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file",
		"ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url",
		"user-account", "windows-registry-key", "x509-certificate",
	}
	notSdoOrMeta = slices.Concat(sdoTypes, metaTypes)
	notSroOrMeta = slices.Concat(sroTypes, metaTypes)
	customOrSdo  = slices.Concat(sroTypes, metaTypes, scoTypes)
)

// Parts that several rules share.
var (
	phaseRule = newRule(need("kill_chain_name", "phase_name"), each(text, "kill_chain_name", "phase_name"))

	referenceRule = newRule(need("source_name"), some("description", "url", "external_id"),
		each(text, "source_name", "description", "external_id"), each(link, "url"), each(hashes, "hashes"))

	granularRule = newRule(need("selectors"), each(texts, "selectors"), each(tag, "lang"),
		to("marking_ref", "marking-definition"))

	// what every object of STIX 2.1 may carry
	common = all(
		need("type", "id"), each(text, "type", "id", "spec_version"),
		toMany("object_marking_refs", "marking-definition"),
		each(granular, "granular_markings"), each(extras, "extensions"))

	// and what every object but observables may carry
	authored = all(common,
		need("spec_version", "created"), each(moment, "created"), to("created_by_ref"),
		within(records, "external_references", referenceRule))

	versioned = all(authored,
		need("modified"), each(moment, "modified"), ordered("created", "modified"),
		each(flag, "revoked"), each(texts, "labels"), between(whole, 0, 100, "confidence"), each(tag, "lang"))

	named  = all(need("name"), each(text, "name", "description"))
	seen   = all(each(stamp, "first_seen", "last_seen"), ordered("first_seen", "last_seen"))
	phases = within(records, "kill_chain_phases", phaseRule)
)

func sdo(parts ...part) *rule { return newRule(versioned, all(parts...)) }

// rules is STIX 2.1, one line a type. What does not fit into a line is in
// special.
var rules = map[string]*rule{
	"attack-pattern":   sdo(named, each(texts, "aliases"), phases),
	"campaign":         sdo(named, each(texts, "aliases"), seen, each(text, "objective")),
	"course-of-action": sdo(named),
	"grouping": sdo(need("context", "object_refs"), each(text, "name", "description", "context"),
		toMany("object_refs")),
	"identity": sdo(named, each(text, "identity_class", "contact_information"), each(texts, "roles", "sectors")),
	"incident": sdo(named),
	"indicator": sdo(need("pattern", "pattern_type", "valid_from"),
		each(text, "name", "description", "pattern", "pattern_type", "pattern_version"), each(texts, "indicator_types"),
		each(moment, "valid_from", "valid_until"), after("valid_from", "valid_until"), phases),
	"infrastructure": sdo(named, each(texts, "infrastructure_types", "aliases"), seen, phases),
	"intrusion-set": sdo(named, each(texts, "aliases", "goals", "secondary_motivations"), seen,
		each(text, "resource_level", "primary_motivation")),
	"location": sdo(each(text, "name", "description", "region", "country", "administrative_area", "city", "street_address", "postal_code"),
		between(number, -90, 90, "latitude"), between(number, -180, 180, "longitude"), between(number, 0, maxWhole, "precision")),
	"malware": sdo(need("is_family"), each(flag, "is_family"), each(text, "name", "description"), seen, phases,
		each(texts, "malware_types", "aliases", "architecture_execution_envs", "implementation_languages", "capabilities"),
		toMany("operating_system_refs", "software"), toMany("sample_refs", "artifact", "file")),
	"malware-analysis": sdo(need("product"), some("result", "analysis_sco_refs"),
		each(text, "product", "version", "configuration_version", "analysis_engine_version", "analysis_definition_version", "result_name", "result"),
		each(texts, "modules"), each(stamp, "submitted", "analysis_started", "analysis_ended"), ordered("analysis_started", "analysis_ended"),
		to("host_vm_ref", "software"), to("operating_system_ref", "software"), toMany("installed_software_refs", "software"),
		notToMany("analysis_sco_refs", slices.Concat(sdoTypes, notSroOrMeta)), to("sample_ref", "artifact", "file", "network-traffic")),
	"note": sdo(need("content", "object_refs"), each(text, "abstract", "content"), each(texts, "authors"), toMany("object_refs")),
	"observed-data": sdo(need("first_observed", "last_observed", "number_observed"), some("objects", "object_refs"),
		each(stamp, "first_observed", "last_observed"), ordered("first_observed", "last_observed"),
		between(whole, 1, 999_999_999, "number_observed"), each(dictionary, "objects"), notToMany("object_refs", notSdoOrMeta)),
	"opinion": sdo(need("opinion", "object_refs"), each(text, "explanation"), each(texts, "authors"), toMany("object_refs"),
		oneOf("opinion", "strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")),
	"report": sdo(named, need("published", "object_refs"), each(texts, "report_types"), each(stamp, "published"), toMany("object_refs")),
	"threat-actor": sdo(named, seen, each(text, "sophistication", "resource_level", "primary_motivation"),
		each(texts, "threat_actor_types", "aliases", "roles", "goals", "secondary_motivations", "personal_motivations")),
	"tool":          sdo(named, each(texts, "tool_types", "aliases"), each(text, "tool_version"), phases),
	"vulnerability": sdo(named),

	"relationship": sdo(need("relationship_type", "source_ref", "target_ref"), each(text, "relationship_type", "description"),
		notTo("source_ref", notSroOrMeta), notTo("target_ref", notSroOrMeta),
		each(stamp, "start_time", "stop_time"), after("start_time", "stop_time")),
	"sighting": sdo(need("sighting_of_ref"), each(text, "description"), seen, between(whole, 0, 999_999_999, "count"),
		notTo("sighting_of_ref", customOrSdo), toMany("observed_data_refs", "observed-data"),
		toMany("where_sighted_refs", "identity", "location"), each(flag, "summary")),

	"marking-definition": newRule(authored, each(text, "name", "definition_type"), each(dictionary, "definition")),
	"language-content": sdo(need("object_ref", "contents"), notTo("object_ref", []string{"bundle", "language-content"}),
		each(stamp, "object_modified"), each(dictionary, "contents")),
	"extension-definition": sdo(need("created_by_ref", "name", "schema", "version", "extension_types"),
		each(text, "name", "description", "schema", "version"), each(texts, "extension_properties"),
		manyOf("extension_types", extensionTypes...)),

	"artifact": sco(some("payload_bin", "url"), each(text, "mime_type", "decryption_key"), each(base64, "payload_bin"), each(link, "url"),
		each(hashes, "hashes"), oneOf("encryption_algorithm", "AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated")),
	"autonomous-system": sco(need("number"), count("number"), each(text, "name", "rir")),
	"directory": sco(need("path"), each(text, "path", "path_enc"), each(stamp, "ctime", "mtime", "atime"),
		toMany("contains_refs", "file", "directory")),
	"domain-name": sco(need("value"), each(text, "value"), toMany("resolves_to_refs", "ipv4-addr", "ipv6-addr", "domain-name")),
	"email-addr":  sco(need("value"), each(text, "value", "display_name"), to("belongs_to_ref", "user-account")),
	"email-message": sco(need("is_multipart"), each(flag, "is_multipart"), each(stamp, "date"),
		each(text, "content_type", "message_id", "subject", "body"), each(texts, "received_lines"),
		each(dictionary, "additional_header_fields"), within(records, "body_multipart", mimeRule),
		to("from_ref", "email-addr"), to("sender_ref", "email-addr"), toMany("to_refs", "email-addr"),
		toMany("cc_refs", "email-addr"), toMany("bcc_refs", "email-addr"), to("raw_email_ref", "artifact")),
	"file": sco(some("hashes", "name"), each(hashes, "hashes"), count("size"), each(text, "name", "name_enc", "mime_type"),
		each(hexadecimal, "magic_number_hex"), each(stamp, "ctime", "mtime", "atime"), to("parent_directory_ref", "directory"),
		notToMany("contains_refs", slices.Concat(sdoTypes, notSroOrMeta)), to("content_ref", "artifact")),
	"ipv4-addr": sco(need("value"), each(text, "value"), toMany("resolves_to_refs", "mac-addr"), toMany("belongs_to_refs", "autonomous-system")),
	"ipv6-addr": sco(need("value"), each(text, "value"), toMany("resolves_to_refs", "mac-addr"), toMany("belongs_to_refs", "autonomous-system")),
	"mac-addr":  sco(need("value"), each(text, "value")),
	"mutex":     sco(need("name"), each(text, "name")),
	"network-traffic": sco(need("protocols"), some("src_ref", "dst_ref"), each(stamp, "start", "end"), ordered("start", "end"),
		each(flag, "is_active"), to("src_ref", endpoints...), to("dst_ref", endpoints...),
		between(whole, 0, 65535, "src_port", "dst_port"), each(texts, "protocols"),
		count("src_byte_count", "dst_byte_count", "src_packets", "dst_packets"), each(dictionary, "ipfix"),
		to("src_payload_ref", "artifact"), to("dst_payload_ref", "artifact"),
		toMany("encapsulates_refs", "network-traffic"), to("encapsulated_by_ref", "network-traffic")),
	"process": sco(some("extensions", "is_hidden", "pid", "created_time", "cwd", "command_line", "environment_variables",
		"opened_connection_refs", "creator_user_ref", "image_ref", "parent_ref", "child_refs"),
		each(flag, "is_hidden"), integer("pid"), each(stamp, "created_time"), each(text, "cwd", "command_line"),
		each(dictionary, "environment_variables"), toMany("opened_connection_refs", "network-traffic"),
		to("creator_user_ref", "user-account"), to("image_ref", "file"), to("parent_ref", "process"), toMany("child_refs", "process")),
	"software": sco(need("name"), each(text, "name", "cpe", "swid", "vendor", "version"), each(tags, "languages")),
	"url":      sco(need("value"), each(link, "value")),
	"user-account": sco(some("extensions", "user_id", "credential", "account_login", "account_type", "display_name", "is_service_account",
		"is_privileged", "can_escalate_privs", "is_disabled", "account_created", "account_expires", "credential_last_changed",
		"account_first_login", "account_last_login"),
		each(text, "user_id", "credential", "account_login", "account_type", "display_name"),
		each(flag, "is_service_account", "is_privileged", "can_escalate_privs", "is_disabled"),
		each(stamp, "account_created", "account_expires", "credential_last_changed", "account_first_login", "account_last_login")),
	"windows-registry-key": sco(some("key", "values", "modified_time", "creator_user_ref", "number_of_subkeys"), each(text, "key"),
		within(records, "values", registryRule), each(stamp, "modified_time"), to("creator_user_ref", "user-account"), count("number_of_subkeys")),
	"x509-certificate": sco(some("is_self_signed", "hashes", "version", "serial_number", "signature_algorithm", "issuer",
		"validity_not_before", "validity_not_after", "subject", "subject_public_key_algorithm", "subject_public_key_modulus",
		"subject_public_key_exponent", "x509_v3_extensions"),
		each(flag, "is_self_signed"), each(hashes, "hashes"),
		each(text, "version", "serial_number", "signature_algorithm", "issuer", "subject", "subject_public_key_algorithm", "subject_public_key_modulus"),
		each(stamp, "validity_not_before", "validity_not_after"), integer("subject_public_key_exponent"),
		within(record, "x509_v3_extensions", certificateRule)),
}

// What a custom type is held to: what all objects of its class share.
var (
	customAuthored   = sdo()
	customObservable = sco()
)

// reservedNames may stand at no object's top, and "action" is no type either.
var reservedNames = []string{"severity", "action", "username", "phone_numbers"}

var extensionTypes = []string{"new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension"}
