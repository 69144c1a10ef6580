package stix

func sco(parts ...part) *rule {
	r := newRule(common, each(flag, "defanged"), all(parts...))
	r.sco = true
	return r
}

// Rules of what lies inside observables.
var (
	endpoints = []string{"ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"}

	mimeRule = newRule(some("body", "body_raw_ref"), each(text, "body", "content_type", "content_disposition"),
		to("body_raw_ref", "artifact", "file"))

	registryRule = newRule(some("name", "data", "data_type"), each(text, "name", "data"),
		oneOf("data_type", "REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN",
			"REG_DWORD_LITTLE_ENDIAN", "REG_LINK", "REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTION",
			"REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD", "REG_INVALID_TYPE"))

	certificateRule = func() *rule {
		names := []string{"basic_constraints", "name_constraints", "policy_constraints", "key_usage", "extended_key_usage",
			"subject_key_identifier", "authority_key_identifier", "subject_alternative_name", "issuer_alternative_name",
			"subject_directory_attributes", "crl_distribution_points", "inhibit_any_policy", "certificate_policies", "policy_mappings"}
		times := []string{"private_key_usage_period_not_before", "private_key_usage_period_not_after"}
		return newRule(each(text, names...), each(stamp, times...), some(names...), some(times...))
	}()

	streamRule = newRule(need("name"), each(text, "name"), each(hashes, "hashes"), count("size"))

	sectionRule = newRule(need("name"), each(text, "name"), count("size"), between(number, -maxWhole, maxWhole, "entropy"), each(hashes, "hashes"))

	headerRule = newRule(
		each(hexadecimal, "magic_hex", "win32_version_value_hex", "checksum_hex", "subsystem_hex", "dll_characteristics_hex", "loader_flags_hex"),
		integer("major_linker_version", "minor_linker_version", "address_of_entry_point", "base_of_code", "base_of_data", "image_base",
			"section_alignment", "file_alignment", "major_os_version", "minor_os_version", "major_image_version", "minor_image_version",
			"major_subsystem_version", "minor_subsystem_version", "number_of_rva_and_sizes"),
		count("size_of_code", "size_of_initialized_data", "size_of_uninitialized_data", "size_of_image", "size_of_headers",
			"size_of_stack_reserve", "size_of_stack_commit", "size_of_heap_reserve", "size_of_heap_commit"),
		each(hashes, "hashes"))
)

// extensionRules are the extensions that STIX 2.1 itself defines.
var extensionRules = map[string]*rule{
	"archive-ext": newRule(need("contains_refs"), toMany("contains_refs", "file", "directory"), each(text, "comment")),
	"ntfs-ext": newRule(some("sid", "alternate_data_streams"), each(text, "sid"),
		within(records, "alternate_data_streams", streamRule)),
	"pdf-ext": newRule(some("version", "is_optimized", "document_info_dict", "pdfid0", "pdfid1"),
		each(text, "version", "pdfid0", "pdfid1"), each(flag, "is_optimized"), each(dictionary, "document_info_dict")),
	"raster-image-ext": newRule(some("image_height", "image_width", "bits_per_pixel", "exif_tags"),
		integer("image_height", "image_width", "bits_per_pixel"), each(dictionary, "exif_tags")),
	"windows-pebinary-ext": newRule(need("pe_type"), each(text, "pe_type", "imphash"), each(stamp, "time_date_stamp"),
		each(hexadecimal, "machine_hex", "pointer_to_symbol_table_hex", "characteristics_hex"),
		count("number_of_sections", "number_of_symbols", "size_of_optional_header"), each(hashes, "file_header_hashes"),
		within(record, "optional_header", headerRule), within(records, "sections", sectionRule)),
	"http-request-ext": newRule(need("request_method", "request_value"), each(text, "request_method", "request_value", "request_version"),
		each(dictionary, "request_header"), integer("message_body_length"), to("message_body_data_ref", "artifact")),
	"icmp-ext": newRule(need("icmp_type_hex", "icmp_code_hex"), each(hexadecimal, "icmp_type_hex", "icmp_code_hex")),
	"socket-ext": newRule(need("address_family"),
		oneOf("address_family", "AF_UNSPEC", "AF_INET", "AF_IPX", "AF_APPLETALK", "AF_NETBIOS", "AF_INET6", "AF_IRDA", "AF_BTH"),
		oneOf("socket_type", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"),
		each(flag, "is_blocking", "is_listening"), each(dictionary, "options"), count("socket_descriptor"), integer("socket_handle")),
	"tcp-ext": newRule(some("src_flags_hex", "dst_flags_hex"), each(hexadecimal, "src_flags_hex", "dst_flags_hex")),
	"windows-process-ext": newRule(some("aslr_enabled", "dep_enabled", "priority", "owner_sid", "window_title", "startup_info", "integrity_level"),
		each(flag, "aslr_enabled", "dep_enabled"), each(text, "priority", "owner_sid", "window_title"), each(dictionary, "startup_info"),
		oneOf("integrity_level", "low", "medium", "high", "system")),
	"windows-service-ext": newRule(some("service_name", "descriptions", "display_name", "group_name", "start_type", "service_dll_refs", "service_type", "service_status"),
		each(text, "service_name", "display_name", "group_name"), each(texts, "descriptions"), toMany("service_dll_refs", "file"),
		oneOf("start_type", "SERVICE_AUTO_START", "SERVICE_BOOT_START", "SERVICE_DEMAND_START", "SERVICE_DISABLED", "SERVICE_SYSTEM_ALERT"),
		oneOf("service_type", "SERVICE_KERNEL_DRIVER", "SERVICE_FILE_SYSTEM_DRIVER", "SERVICE_WIN32_OWN_PROCESS", "SERVICE_WIN32_SHARE_PROCESS"),
		oneOf("service_status", "SERVICE_CONTINUE_PENDING", "SERVICE_PAUSE_PENDING", "SERVICE_PAUSED", "SERVICE_RUNNING",
			"SERVICE_START_PENDING", "SERVICE_STOP_PENDING", "SERVICE_STOPPED")),
	"unix-account-ext": newRule(some("gid", "groups", "home_dir", "shell"), integer("gid"), each(texts, "groups"), each(text, "home_dir", "shell")),
}
