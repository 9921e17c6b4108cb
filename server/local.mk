# server/: letterlockd, the programs it starts, and the local command.

# the daemon and the local command share these
OBJS_daemon = $(addprefix server/,config.o config_type.o file.o hostkey.o \
  listen.o net.o proc.o root.o)

PROGRAMS += letterlockd
OBJS_letterlockd = $(OBJS_daemon) $(addprefix server/,letterlockd.o \
  confine.o control.o house.o limits.o notify.o pair.o parsing.o service.o)

PROGRAMS += letterlock
OBJS_letterlock = $(OBJS_daemon) $(addprefix server/,letterlock.o \
  archive.o ca.o ca_issue.o cacommand.o cert.o command.o copy.o enrol.o enrol_answer.o \
  keycommand.o local.o mailkey.o parser.o setup.o trust.o)
LIBS_letterlock = -ljansson -lgnutls -lcrypto

OBJS_test_config = server/config.o server/config_type.o server/net.o
OBJS_test_limits = server/limits.o $(OBJS_test_config)
OBJS_test_root = server/copy.o $(OBJS_daemon)
OBJS_test_enrol = server/enrol.o server/enrol_answer.o \
  tests/unit/storekit.o
LIBS_test_enrol = -lsqlite3

# letterlock-sftp
OBJS_sftp = server/sftp_wire.o server/sftp_path.o server/sftp_serve.o
PROGRAMS += letterlock-sftp
OBJS_letterlock-sftp = server/letterlock-sftp.o $(OBJS_sftp) \
  server/sftp_stream.o server/sftp_box.o
OBJS_test_sftp = $(OBJS_sftp)
OBJS_test_sftp_stream = server/sftp_stream.o
OBJS_fuzz_sftp = $(OBJS_sftp)

# letterlock-relay
OBJS_relay = $(addprefix server/,relay_body.o relay_conn.o relay_dir.o \
  relay_dns.o relay_hello.o relay_host.o relay_job.o relay_mail.o \
  relay_pool.o relay_queue.o relay_route.o relay_run.o relay_silent.o \
  relay_smart.o relay_smtp.o relay_store.o relay_stream.o relay_sts.o \
  relay_talk.o relay_tls.o relay_web.o relay_wire.o net.o)
OBJS_find = $(addprefix server/,relay_find.o relay_look.o relay_wkd.o \
  relay_silent.o relay_web.o relay_dns.o net.o)
LIBS_relay = -lcurl -lunbound -lssl -lcrypto
PROGRAMS += letterlock-relay
OBJS_letterlock-relay = server/letterlock-relay.o server/child.o \
  $(OBJS_relay) $(filter-out $(OBJS_relay),$(OBJS_find))
LIBS_letterlock-relay = $(LIBS_relay)
OBJS_test_relay = $(OBJS_relay)
LIBS_test_relay = $(LIBS_relay)
OBJS_test_relay_sts = $(OBJS_relay)
LIBS_test_relay_sts = $(LIBS_relay)
OBJS_test_relay_smtp = $(OBJS_relay)
LIBS_test_relay_smtp = $(LIBS_relay)
OBJS_fuzz_policy = $(OBJS_relay)
LIBS_fuzz_policy = $(LIBS_relay)
OBJS_fuzz_smtp = $(OBJS_relay)
LIBS_fuzz_smtp = $(LIBS_relay)
OBJS_test_relay_find = $(OBJS_find)
LIBS_test_relay_find = -lcurl -lunbound
OBJS_test_relay_dns = server/relay_dns.o server/net.o
LIBS_test_relay_dns = -lunbound

# letterlock-portal
OBJS_portal = $(addprefix server/,portal_answer.o portal_conn.o portal_file.o \
  portal_http.o portal_key.o portal_letter.o portal_link.o portal_message.o \
  portal_page.o portal_path.o portal_reply.o portal_route.o portal_session.o \
  portal_store.o portal_style.o portal_upload.o)
PROGRAMS += letterlock-portal
OBJS_letterlock-portal = server/letterlock-portal.o server/child.o \
  $(OBJS_portal)
LIBS_letterlock-portal = -lmicrohttpd -lgnutls
OBJS_test_portal = $(OBJS_portal) server/child.o
LIBS_test_portal = $(LIBS_letterlock-portal)
OBJS_test_portal_http = $(OBJS_test_portal)
LIBS_test_portal_http = $(LIBS_letterlock-portal)
OBJS_fuzz_portal = $(OBJS_test_portal)
LIBS_fuzz_portal = $(LIBS_letterlock-portal)

# letterlock-intake, where there is libmilter
OBJS_mime = $(addprefix keys/,mime_read.o mime_charset.o mime_table.o \
  mime_text.o)
OBJS_intake = $(addprefix server/,intake_bounce.o intake_look.o intake_mail.o \
  intake_house.o intake_mark.o intake_milter.o intake_out.o intake_part.o intake_submit.o \
  intake_take.o \
  intake_wire.o portal_store.o portal_upload.o) $(OBJS_mime)
ifneq ($(wildcard /usr/include/libmilter/mfapi.h),)
PROGRAMS += letterlock-intake
endif
OBJS_letterlock-intake = server/letterlock-intake.o server/child.o \
  $(OBJS_intake)
LIBS_letterlock-intake = -lmilter -ljansson

# one gate and one session per SSH connection
OBJS_gate = $(addprefix server/,gate_auth.o gate_channel.o gate_hook.o \
  gate_key.o gate_pump.o gate_transport.o)
PROGRAMS += letterlock-gate letterlock-session
OBJS_letterlock-gate = server/letterlock-gate.o $(OBJS_gate)
LIBS_letterlock-gate = -lssh -lcrypto
OBJS_letterlock-session = $(addprefix server/,letterlock-session.o \
  enrol.o enrol_answer.o session_agent.o session_auth.o session_channel.o \
  session_gate.o session_key.o session_mail.o session_store.o session_vault.o \
  session_worker.o mailkey.o parser.o)
LIBS_letterlock-session = -lhogweed -lgmp
OBJS_test_session_key = server/session_key.o
LIBS_test_session_key = -lhogweed -lgmp
OBJS_fuzz_session_gate = server/session_auth.o server/session_channel.o \
  server/session_gate.o
OBJS_test_intake_look = server/intake_look.o $(OBJS_mime)
OBJS_test_intake_mark = server/intake_mark.o $(OBJS_mime)
OBJS_fuzz_intake_look = $(OBJS_test_intake_look)
